"""What catalog and ledger cost an upload, on each kind of database."""
