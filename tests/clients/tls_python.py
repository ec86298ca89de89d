"""The Python SDKs of Anthropic and OpenAI over TLS, with a certificate of a private authority.

Prints `ok - case` or `not ok - case | reason`. PROXY is the address, KEY the gateway key, and SSL_CERT_FILE the
authority, as operators hand it to programs that they do not write themselves.
"""

import asyncio
import os
import ssl

import anthropic
import openai

from reporting import planned
from reporting import raises
from reporting import report

MODEL = "claude-sonnet-4-6"
KEY, URL = os.environ["KEY"], os.environ["PROXY"]
VERSIONS = {"http/1.1": "HTTP/1.1", "http/2": "HTTP/2"}
USUAL = {"max_retries": 0, "timeout": 30, "api_key": KEY}


def knowing():
    """Trusts what SSL_CERT_FILE holds, and nobody else."""
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


def messages(version):
    http = anthropic.DefaultHttpxClient(verify=knowing(), http2=version == "http/2")
    return anthropic.Anthropic(base_url=URL, http_client=http, **USUAL)


def openai_client(version):
    http = openai.DefaultHttpxClient(verify=knowing(), http2=version == "http/2")
    return openai.OpenAI(base_url=f"{URL}/v1", http_client=http, **USUAL)


def ask(text):
    return [{"role": "user", "content": planned({"say": text})}]


def usual(text):
    return {"model": MODEL, "max_tokens": 200, "messages": ask(text)}


def spoken(raw, version):
    found = raw.http_response.http_version
    assert found == VERSIONS[version], f"{found} instead of {version}"


def json_answers(version):
    with messages(version) as client:
        # The second one goes over the same connection.
        for text in ("one", "and another"):
            raw = client.messages.with_raw_response.create(**usual(text))
            spoken(raw, version)
            assert raw.parse().content[0].text == text, raw.text()


def stream(version):
    with messages(version) as client, client.messages.stream(**usual("piece by piece")) as stream:
        parts = list(stream.text_stream)
        assert "".join(parts) == "piece by piece" and len(parts) > 1, parts
        assert stream.response.http_version == VERSIONS[version], stream.response.http_version


def chat(version):
    with openai_client(version) as client:
        raw = client.chat.completions.with_raw_response.create(**usual("in chat"))
        spoken(raw, version)
        assert raw.parse().choices[0].message.content == "in chat", raw.text
        chunks = client.chat.completions.create(**usual("in chat, too"), stream=True)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == "in chat, too", text


def responses(version):
    with openai_client(version) as client:
        raw = client.responses.with_raw_response.create(model=MODEL, input=ask("a response"))
        spoken(raw, version)
        assert raw.parse().output_text == "a response", raw.text
        events = list(client.responses.create(model=MODEL, input=ask("streamed"), stream=True))
        assert events[-1].type == "response.completed", events[-1]
        assert events[-1].response.output_text == "streamed", events[-1]


def errors(version):
    with messages(version) as client:
        wrong = client.with_options(api_key="nobody-s-key")
        fault = raises(anthropic.AuthenticationError, lambda: wrong.messages.create(**usual("no")))
        assert fault.response.http_version == VERSIONS[version], fault.response.http_version
        json_answers(version)


def large(version):
    """More than the windows of HTTP/2 hold at once."""
    with messages(version) as client:
        long = "0123456789abcde\n" * (2 * 65536)
        message = client.messages.create(
            model=MODEL, max_tokens=100, messages=[{"role": "user", "content": planned({"say": "got it"}, long)}]
        )
        assert message.content[0].text == "got it", message


def many_at_once(version):
    async def run():
        http = anthropic.DefaultAsyncHttpxClient(verify=knowing(), http2=version == "http/2")
        async with anthropic.AsyncAnthropic(base_url=URL, http_client=http, **USUAL) as client:

            async def one(number):
                async with client.messages.stream(**usual(f"answer number {number}")) as stream:
                    return (await stream.get_final_message()).content[0].text

            return await asyncio.gather(*(one(number) for number in range(24)))

    texts = asyncio.run(run())
    assert texts == [f"answer number {number}" for number in range(24)], texts


def nothing_said():
    """As they come: the authority is in the environment."""
    client = anthropic.Anthropic(base_url=URL, **USUAL)
    assert client.messages.create(**usual("as it comes")).content[0].text == "as it comes"
    client = openai.OpenAI(base_url=f"{URL}/v1", **USUAL)
    answer = client.chat.completions.create(**usual("as it comes"))
    assert answer.choices[0].message.content == "as it comes", answer


def who_does_not_know_the_authority():
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    http = anthropic.DefaultHttpxClient(verify=nobody)
    client = anthropic.Anthropic(base_url=URL, http_client=http, **USUAL)
    fault = raises(anthropic.APIConnectionError, lambda: client.messages.create(**usual("no")))
    assert "certificate" in repr(fault.__cause__).lower(), repr(fault.__cause__)


def main():
    failed = report("trusts SSL_CERT_FILE", nothing_said)
    failed += report("refuses a stranger's certificate", who_does_not_know_the_authority)
    for version in VERSIONS:
        for case in (json_answers, stream, chat, responses, errors, large, many_at_once):
            failed += report(f"{version} {case.__name__}", case, version)
    raise SystemExit(1 if failed else 0)


main()
