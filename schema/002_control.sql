-- 002_control.sql - orders given while a sweep runs, which outlast its coordinator.
ALTER TABLE job ADD COLUMN priority_set INTEGER;      -- by hand; NULL: what the sweep says
ALTER TABLE sweep ADD COLUMN is_paused INTEGER NOT NULL DEFAULT 0;
