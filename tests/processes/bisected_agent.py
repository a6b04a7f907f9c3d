"""An agent that is run as a command: it asks six times, and ends with 1 where something wrong was said."""

import json
import os
import sys
import urllib.request

messages = [{"role": "user", "content": "go"}]
for _ in range(6):
    body = json.dumps({"model": "triage", "messages": messages}).encode()
    url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
    request = urllib.request.Request(url, body, {"authorization": "Bearer tt_test", "content-type": "text/json"})
    with urllib.request.urlopen(request) as answer:
        word = json.load(answer)["choices"][0]["message"]["content"]
    messages += [{"role": "assistant", "content": word}, {"role": "user", "content": "and then?"}]
sys.exit(any(message["content"] == "wrong" for message in messages))
