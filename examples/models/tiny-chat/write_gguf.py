"""Writes what train.py trained as GGUF files.

    python3 write_gguf.py /tmp/tiny-chat.npz q8_0/tiny-chat-q8_0.gguf f16/tiny-chat-f16.gguf

The kind of the weights is what stands before `.gguf`. Also writes tokenizer.json into the current folder.
"""
import re
import sys

import numpy as np

import bpe
import gguf
from gguf import ARRAY, BOOL, F32, I32, STRING, U32

# ChatML. Functions are listed in the system message, one line of JSON each; a call stands in <tool_call> and </tool_call>.
TEMPLATE = """\
{%- set rest = messages -%}
{%- if tools -%}
{{- '<|im_start|>system\\n' -}}
{%- if messages[0]['role'] == 'system' -%}
{{- messages[0]['content'] + '\\n' -}}
{%- set rest = messages[1:] -%}
{%- endif -%}
{{- 'Tools:\\n<tools>\\n' -}}
{%- for tool in tools -%}
{{- tool | tojson -}}{{- '\\n' -}}
{%- endfor -%}
{{- '</tools><|im_end|>\\n' -}}
{%- endif -%}
{%- for message in rest -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] -%}{{- message['content'] -}}{%- endif -%}
{%- if message['tool_calls'] -%}
{%- for call in message['tool_calls'] -%}
{{- '<tool_call>{"name":"' + call['function']['name'] + '","arguments":' -}}
{%- if call['function']['arguments'] is string -%}{{- call['function']['arguments'] -}}
{%- else -%}{{- call['function']['arguments'] | tojson -}}{%- endif -%}
{{- '}</tool_call>' -}}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""

NORMAL, CONTROL = 1, 3


def main():
    trained = np.load(sys.argv[1])
    vocabulary, width, layers, heads, key_heads, inner, context = map(int, trained["shape"])
    tokens, merges = list(map(str, trained["tokens"])), list(map(str, trained["merges"]))
    number = {token: i for i, token in enumerate(tokens)}
    ordinary = vocabulary - len(bpe.SPECIAL)
    tensors = {name: trained[name] for name in trained.files if name.endswith(".weight")}
    for path in sys.argv[2:]:
        kind = re.fullmatch(r".*?(f32|f16|q8_0)\.gguf", path).group(1)
        metadata = [
            ("general.architecture", STRING, "llama"),
            ("general.name", STRING, "tiny-chat"),
            ("general.version", STRING, "1.0.0"),
            ("general.description", STRING, "A very small chat model, trained on generated conversations, for demonstrations and tests"),
            ("general.license", STRING, "Apache-2.0"),
            ("general.file_type", U32, gguf.FILE_TYPES[kind]),
            ("general.quantization_version", U32, 2),
            ("llama.vocab_size", U32, vocabulary),
            ("llama.context_length", U32, context),
            ("llama.embedding_length", U32, width),
            ("llama.block_count", U32, layers),
            ("llama.feed_forward_length", U32, inner),
            ("llama.rope.dimension_count", U32, width // heads),
            ("llama.rope.freq_base", F32, float(trained["rope_base"])),
            ("llama.attention.head_count", U32, heads),
            ("llama.attention.head_count_kv", U32, key_heads),
            ("llama.attention.layer_norm_rms_epsilon", F32, float(trained["epsilon"])),
            ("tokenizer.ggml.model", STRING, "gpt2"),
            ("tokenizer.ggml.pre", STRING, "gpt-2"),
            ("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
            ("tokenizer.ggml.token_type", ARRAY, (I32, [NORMAL] * ordinary + [CONTROL] * len(bpe.SPECIAL))),
            ("tokenizer.ggml.merges", ARRAY, (STRING, merges)),
            ("tokenizer.ggml.bos_token_id", U32, number["<|endoftext|>"]),
            ("tokenizer.ggml.eos_token_id", U32, number["<|im_end|>"]),
            ("tokenizer.ggml.eot_token_id", U32, number["<|im_end|>"]),
            ("tokenizer.ggml.padding_token_id", U32, number["<|endoftext|>"]),
            ("tokenizer.ggml.add_bos_token", BOOL, False),
            ("tokenizer.chat_template", STRING, TEMPLATE),
        ]
        print(f"{path}: {gguf.write(path, metadata, tensors, kind)} bytes")
    bpe.Tokenizer(tokens, [tuple(m.split(" ")) for m in merges]).save("tokenizer.json")


if __name__ == "__main__":
    main()
