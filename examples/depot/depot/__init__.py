"""Orders, stock and prices, each in a database of another engine."""

from depot.application import DepotApplication

main = DepotApplication()
