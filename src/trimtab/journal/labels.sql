-- name: sets
-- Every set by its name.
SELECT name, task, question, kind, scale, reviewers, by, at_ns FROM labellings ORDER BY name;

-- name: make
-- A new set.
INSERT INTO labellings (name, task, question, kind, scale, reviewers, by, at_ns)
VALUES (:name, :task, :question, :kind, :scale, :reviewers, :by, :at_ns);

-- name: drop
-- A set with all that was said in it.
DELETE FROM labellings WHERE name = :name;

-- name: size
-- How many rows a set has.
SELECT count(*) FROM label_items WHERE labelling = :name;

-- name: add
-- A row, unless the set has it.
INSERT INTO label_items (id, labelling, place, line, source) VALUES (:id, :labelling, :place, :line, :source)
ON CONFLICT (id) DO NOTHING;

-- name: item
-- One row.
SELECT id, labelling, place, line, source FROM label_items WHERE id = :id;

-- name: places
-- The rows of a set without their text.
SELECT id, place FROM label_items WHERE labelling = :name ORDER BY place;

-- name: rows
-- The rows of a set.
SELECT id, labelling, place, line, source FROM label_items WHERE labelling = :name ORDER BY place;

-- name: given
-- What was said in a set, row by row in the order in which it was said.
SELECT l.item, l.reviewer, l.who, l.value, l.note, l.at_ns FROM labels l JOIN label_items i ON i.id = l.item
WHERE i.labelling = :name ORDER BY i.place, l.rowid;

-- name: waiting
-- How many rows of each task's sets have fewer labels than the set asks for.
SELECT s.task, count(*) FROM labellings s JOIN label_items i ON i.labelling = s.name
WHERE (SELECT count(*) FROM labels l WHERE l.item = i.id) < s.reviewers
GROUP BY s.task;

-- name: put
-- What a reviewer says of a row, in the place of what they said before.
INSERT INTO labels (item, reviewer, who, value, note, at_ns)
VALUES (:item, :reviewer, :who, :value, :note, :at_ns)
ON CONFLICT (item, reviewer) DO UPDATE SET value = :value, note = :note, who = :who;
