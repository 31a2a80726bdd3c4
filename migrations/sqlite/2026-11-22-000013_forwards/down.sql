DROP TABLE forwards;
