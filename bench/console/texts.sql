-- What four in five of these calls asked and answered: about 35 words, common ones first by a cubic law, of 4,000 made of
-- syllables, and an order's number that one call in a million shares.
INSERT INTO texts (call, ended_ns, task, asked, answered)
WITH
    (k -> sipHash64({seed:UInt64}, n, k) / 18446744073709551616.) AS u,
    (w -> arrayStringConcat(arrayMap(i -> {syllables:Array(String)}[1 + sipHash64(w, i) % 64], range(1 + w % 3)))) AS spoken,
    number + {first:UInt64} AS n,
    u(1) < 0.02 AS is_outside,
    toUInt32(floor(50 * pow(u(2), 2.2))) AS t,
    toInt64({began_ns:Int64} + number * {step_ns:Int64}) AS at_ns,
    arrayMap(k -> spoken(toUInt64(4000 * pow(sipHash64({seed:UInt64}, n, 100 + k) / 18446744073709551616., 3))), range(20 + toUInt32(30 * u(30)))) AS words
SELECT
    concat('g0-', lower(hex(at_ns)), '-', lower(hex(sipHash64({seed:UInt64}, n)))) AS call,
    at_ns AS ended_ns,
    concat('task-', leftPad(toString(t), 2, '0')) AS task,
    concat('Please ', arrayStringConcat(arraySlice(words, 1, 20), ' '), ', order ', toString(1000000 + sipHash64({seed:UInt64}, n, 31) % 1000000), '?') AS asked,
    concat('{"label":"label_', toString(toUInt32(6 * u(32))), '","reason":"', arrayStringConcat(arraySlice(words, 21), ' '), '"}') AS answered
FROM numbers({calls:UInt64})
WHERE NOT is_outside AND u(33) < 0.8
