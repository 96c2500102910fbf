-- A small database of the shape of the Chinook sample: a music shop with composite keys, prices, dates and a self reference.
CREATE TABLE Artist (ArtistId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE Album (
    AlbumId INTEGER NOT NULL PRIMARY KEY,
    Title NVARCHAR(160) NOT NULL,
    ArtistId INTEGER NOT NULL REFERENCES Artist (ArtistId)
);
CREATE TABLE Genre (GenreId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE MediaType (MediaTypeId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE Track (
    TrackId INTEGER NOT NULL PRIMARY KEY,
    Name NVARCHAR(200) NOT NULL,
    AlbumId INTEGER REFERENCES Album (AlbumId),
    MediaTypeId INTEGER NOT NULL REFERENCES MediaType (MediaTypeId),
    GenreId INTEGER REFERENCES Genre (GenreId),
    Composer NVARCHAR(220),
    Milliseconds INTEGER NOT NULL,
    Bytes INTEGER,
    UnitPrice NUMERIC(10,2) NOT NULL
);
CREATE TABLE Employee (
    EmployeeId INTEGER NOT NULL PRIMARY KEY,
    LastName NVARCHAR(20) NOT NULL,
    FirstName NVARCHAR(20) NOT NULL,
    ReportsTo INTEGER REFERENCES Employee (EmployeeId),
    HireDate DATETIME
);
CREATE TABLE Customer (
    CustomerId INTEGER NOT NULL PRIMARY KEY,
    FirstName NVARCHAR(40) NOT NULL,
    LastName NVARCHAR(20) NOT NULL,
    Email NVARCHAR(60) NOT NULL UNIQUE,
    SupportRepId INTEGER REFERENCES Employee (EmployeeId)
);
CREATE TABLE Invoice (
    InvoiceId INTEGER NOT NULL PRIMARY KEY,
    CustomerId INTEGER NOT NULL REFERENCES Customer (CustomerId),
    InvoiceDate DATETIME NOT NULL,
    BillingCountry NVARCHAR(40),
    Total NUMERIC(10,2) NOT NULL
);
CREATE TABLE InvoiceLine (
    InvoiceLineId INTEGER NOT NULL PRIMARY KEY,
    InvoiceId INTEGER NOT NULL REFERENCES Invoice (InvoiceId),
    TrackId INTEGER NOT NULL REFERENCES Track (TrackId),
    UnitPrice NUMERIC(10,2) NOT NULL,
    Quantity INTEGER NOT NULL CHECK (Quantity > 0)
);
CREATE TABLE Playlist (PlaylistId INTEGER NOT NULL PRIMARY KEY, Name NVARCHAR(120));
CREATE TABLE PlaylistTrack (
    PlaylistId INTEGER NOT NULL REFERENCES Playlist (PlaylistId),
    TrackId INTEGER NOT NULL REFERENCES Track (TrackId),
    PRIMARY KEY (PlaylistId, TrackId)
);

INSERT INTO Artist VALUES (1, 'The Tin Drums'), (2, 'Señor Órgano'), (3, 'Nobody & Co');
INSERT INTO Album VALUES (1, 'First Light', 1), (2, 'Second Wind', 1), (3, 'Ópera de Bolsillo', 2);
INSERT INTO Genre VALUES (1, 'Rock'), (2, 'Jazz');
INSERT INTO MediaType VALUES (1, 'MPEG audio file'), (2, 'AAC audio file');
INSERT INTO Track VALUES
    (1, 'Opening', 1, 1, 1, 'A. Writer', 343719, 11170334, 0.99),
    (2, 'Middle, or: 100%', 1, 2, 1, NULL, 230619, 3990994, 0.99),
    (3, 'Closing', 1, 1, 1, 'B. Writer', 252051, 4331779, 1.29),
    (4, 'Breeze', 2, 1, 2, NULL, 375418, 6290521, 0.99),
    (5, 'Aria "Nada/Todo"', 3, 1, NULL, NULL, 205662, 3434000, 1.99),
    (6, 'Loose Track', NULL, 1, NULL, NULL, 1000, NULL, 0);
INSERT INTO Employee VALUES
    (1, 'Adams', 'Andrew', NULL, '2002-08-14 00:00:00'),
    (2, 'Edwards', 'Nancy', 1, '2002-05-01 00:00:00'),
    (3, 'Peacock', 'Jane', 2, '2002-04-01 00:00:00');
INSERT INTO Customer VALUES (1, 'Luís', 'Gonçalves', 'luis@example.com', 3), (2, 'Leonie', 'Köhler', 'leonie@example.com', 3);
INSERT INTO Invoice VALUES (1, 2, '2009-01-01 00:00:00', 'Germany', 1.98), (2, 1, '2009-01-02 00:00:00', 'Brazil', 3.28);
INSERT INTO InvoiceLine VALUES (1, 1, 1, 0.99, 1), (2, 1, 2, 0.99, 1), (3, 2, 5, 1.99, 1), (4, 2, 3, 1.29, 1);
INSERT INTO Playlist VALUES (1, 'Music'), (2, 'Nothing yet');
INSERT INTO PlaylistTrack VALUES (1, 1), (1, 2), (1, 5);
