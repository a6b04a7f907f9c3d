-- name: taken
-- The token of the batch that was taken in last.
SELECT token FROM tool_shapes_taken WHERE one = 1;

-- name: take
-- Notes the token of a batch that is taken in now.
INSERT INTO tool_shapes_taken (one, token) VALUES (1, :token) ON CONFLICT (one) DO UPDATE SET token = :token;

-- name: keep
-- What is known of a tool now.
INSERT INTO tool_shapes (tool, last_ns, learned) VALUES (:tool, :last_ns, :learned)
ON CONFLICT (tool) DO UPDATE SET last_ns = :last_ns, learned = :learned;

-- name: forget
-- Lets go of a tool.
DELETE FROM tool_shapes WHERE tool = :tool;

-- name: all
-- What is known of every tool.
SELECT tool, learned FROM tool_shapes ORDER BY tool;
