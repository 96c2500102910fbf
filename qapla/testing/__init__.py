"""What an application needs to test itself: fixtures, servers, statement counters, contract suites."""
