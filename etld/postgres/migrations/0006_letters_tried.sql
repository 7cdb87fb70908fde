-- What each rule made of an event that no rule repaired: [{"rule", "after", "problems"}].
ALTER TABLE etld.dead_letter_attempt ADD COLUMN tried json;
