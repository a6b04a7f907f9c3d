-- name: calls_of_user
-- Calls of an end user, and of runs, with the bodies that they name.
SELECT call, request_body, messages, response_body
FROM calls
WHERE (end_user = {end_user:String} AND end_user != '') OR has({runs:Array(String)}, run)
ORDER BY minute, call
LIMIT {limit:UInt32};

-- name: scores_of_calls
-- How many scores there are of some calls.
SELECT count() FROM scores WHERE has({calls:Array(String)}, call);

-- name: erase_calls
-- Writes a table anew without some calls, and waits for it.
ALTER TABLE {table:Identifier} DELETE WHERE has({calls:Array(String)}, call) SETTINGS mutations_sync = 2;

-- name: hash_of_user
-- What stands for an end user in the statement below, whose text ClickHouse keeps for a while.
SELECT sipHash64({end_user:String});

-- name: erase_conversations
-- Writes the roll-up of conversations anew without an end user, and waits for it.
ALTER TABLE conversations_by_hour DELETE WHERE sipHash64(end_user) = {hash:UInt64} SETTINGS mutations_sync = 2;

-- name: bodies_named
-- Bodies that calls and scores name, among some.
SELECT DISTINCT arrayJoin([request_body, messages, response_body]) AS digest
FROM calls
WHERE has({digests:Array(String)}, request_body) OR has({digests:Array(String)}, messages)
   OR has({digests:Array(String)}, response_body)
UNION DISTINCT
SELECT correction AS digest FROM scores WHERE has({digests:Array(String)}, correction);
