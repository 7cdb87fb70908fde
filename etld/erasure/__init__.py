"""Who was forgotten: subjects as conditions on fields, on record as keyed hashes, and known again on arrival."""
