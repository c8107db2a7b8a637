-- 004_rank.sql - gates that let the best of a stage pass: so many, or below 1 that share.
ALTER TABLE stage ADD COLUMN gate_top REAL;
ALTER TABLE stage ADD COLUMN gate_low_is_best INTEGER NOT NULL DEFAULT 0;
