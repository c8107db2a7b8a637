-- 003_isa.sql - the instruction set that a job pins: part of its id, like threads.
ALTER TABLE job ADD COLUMN isa TEXT NOT NULL DEFAULT 'auto';
