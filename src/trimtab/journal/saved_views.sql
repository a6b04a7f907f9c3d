-- name: all
-- Every view by its name.
SELECT name, filter, by, at_ns FROM saved_views ORDER BY name;

-- name: keep
-- A view, in the place of one of the same name.
INSERT INTO saved_views (name, filter, by, at_ns) VALUES (:name, :filter, :by, :at_ns)
ON CONFLICT (name) DO UPDATE SET filter = :filter, by = :by, at_ns = :at_ns;

-- name: others
-- How many views there are beside one of this name.
SELECT count(*) FROM saved_views WHERE name <> :name;

-- name: drop
-- Lets go of a view.
DELETE FROM saved_views WHERE name = :name;
