"""Makes calls with Python's grpcio: a line of JSON on the standard input for each row, and one with what was seen on the output.

Messages are bytes as they are. A line that says "cancel" follows a row that cancels.
"""

import base64
import json
import sys

import grpc

COMPRESSIONS = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


def to_send(name, value):
    return (name, base64.b64decode(value) if name.endswith("-bin") else value)


def to_show(metadata):
    return [
        [name, base64.b64encode(value).decode() if name.endswith("-bin") else value]
        for name, value in metadata or ()
    ]


def start(channel, row, messages):
    options = {
        "timeout": row["timeoutMillis"] / 1000,
        "metadata": [to_send(name, value) for name, value in row["metadata"]],
        "compression": COMPRESSIONS.get(row["compression"], grpc.Compression.NoCompression),
    }
    if row["streams"]:
        return channel.stream_unary(row["path"]).future(iter(messages), **options)
    return channel.unary_unary(row["path"]).future(messages[0], **options)


def seen(call):
    try:
        answer = [base64.b64encode(call.result()).decode()]
    except (grpc.RpcError, grpc.FutureCancelledError):
        answer = []
    return {
        "code": call.code().value[0],
        "message": call.details() or "",
        "headers": to_show(call.initial_metadata()),
        "trailers": to_show(call.trailing_metadata()),
        "answer": answer,
    }


for line in sys.stdin:
    row = json.loads(line)
    with grpc.insecure_channel(row["address"], options=OPTIONS) as channel:
        grpc.channel_ready_future(channel).result(30)
        first, *others = [[base64.b64decode(message) for message in messages] for messages in row["calls"]]
        calls = [start(channel, row, first) for _ in range(row["times"])]
        if row["cancels"]:
            sys.stdin.readline()
            for call in calls:
                call.cancel()
        result = [seen(call) for call in calls]
        for messages in others:
            result.append(seen(start(channel, row, messages)))
    print(json.dumps(result), flush=True)
