"""Serves both models over the Open Inference Protocol, REST and gRPC, with the Python SDK of KServe.

The server knows no keys and no TLS: leave it on the loopback address, or put it where only Fairlead can reach it.
"""

import argparse
import asyncio
import logging
import math
import pathlib
import signal
import struct
import uuid
from importlib.metadata import version

import grpc
import numpy as np
import torch
import uvicorn
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from grpc_interceptor.exceptions import GrpcException
from kserve import (
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    Model,
    ModelRepository,
)
from kserve.errors import InferenceError, InvalidInput, ModelNotFound
from kserve.model_server import app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (
    add_GRPCInferenceServiceServicer_to_server,
)
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer

from batch import Batcher, Busy
from network import (
    CLASSES,
    MAX_TOKENS,
    SIZE,
    Classifier,
    Encoder,
    load_tokenizer,
    tokenized,
)

log = logging.getLogger("serve")

MAX_BODY = 1 << 20  # bytes of a request
MAX_ROWS = 64  # texts in a request
MAX_TEXT = 16 << 10  # bytes of a text


class Served(Model):
    """A model with what it tells of itself. What a request must be is checked here, before the model sees it."""

    inputs: list[dict]
    outputs: list[dict]

    def __init__(self, name: str, net: torch.nn.Module, weights: pathlib.Path, device: torch.device) -> None:
        super().__init__(name)
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.net, self.device = net.to(device).eval(), device
        self.batcher = Batcher(self.run, rows=MAX_ROWS)
        self.ready = True

    def get_input_types(self) -> list[dict]:
        return self.inputs

    def get_output_types(self) -> list[dict]:
        return self.outputs

    async def predict(self, payload: InferRequest, headers: dict | None = None) -> InferResponse:
        if not isinstance(payload, InferRequest):
            raise InvalidInput("this model is called by version 2 of the protocol")
        if payload.model_version:
            raise ModelNotFound(f"{self.name}, version {payload.model_version[:64]!r},")
        arrays = {name: array for name, array in (self.read(given) for given in payload.inputs)}
        missing = [spec["name"] for spec in self.inputs if spec["name"] not in arrays]
        if missing or len(arrays) != len(payload.inputs):
            raise InvalidInput(f"the inputs must be {[spec['name'] for spec in self.inputs]}, each once")
        wanted = [output.name for output in payload.request_outputs or []]
        if unknown := set(wanted) - {spec["name"] for spec in self.outputs}:
            raise InvalidInput(f"the model has no output {sorted(unknown)}")
        try:
            numbers = await self.batcher(*self.item(arrays))
        except Busy as busy:
            if payload.from_grpc:
                raise GrpcException(status_code=grpc.StatusCode.UNAVAILABLE, details=busy.reason) from None
            raise
        spec = self.outputs[0]
        out = InferOutput(spec["name"], list(numbers.shape), spec["datatype"], numbers)
        if payload.from_grpc:
            out.set_data_from_numpy(numbers, binary_data=payload.use_binary_outputs)
        return InferResponse(payload.id or str(uuid.uuid4()), self.name, [out], use_binary_outputs=payload.use_binary_outputs,
                             requested_outputs=payload.request_outputs)

    def read(self, given: InferInput) -> tuple[str, np.ndarray]:
        """Gives an input by its name. What the request says of its shape is checked before memory is taken for it."""
        spec = next((spec for spec in self.inputs if spec["name"] == given.name), None)
        if spec is None:
            raise InvalidInput(f"the model has no input {given.name[:64]!r}")
        said = f"input {spec['name']}"
        if given.datatype != spec["datatype"]:
            raise InvalidInput(f"{said} has the datatype {given.datatype[:16]!r}: want {spec['datatype']}")
        shape = given.shape
        if len(shape) != len(spec["shape"]) or min(shape) < 1 or shape[0] > MAX_ROWS or max(shape) > max(MAX_ROWS, MAX_TOKENS):
            raise InvalidInput(f"{said} has the shape {shape[:8]}: want {spec['shape']}, from 1 to {MAX_ROWS} rows and {MAX_TOKENS} columns at most")
        if spec["datatype"] == "INT64" and given.data and not all(type(n) is int for n in flat(given.data)):
            raise InvalidInput(f"{said} must hold whole numbers")
        try:
            return spec["name"], given.as_numpy()
        except (ValueError, TypeError, OverflowError, struct.error):
            count = math.prod(shape)
            raise InvalidInput(f"{said} does not have the {count} elements of its shape {shape}, or one is not {spec['datatype']}") from None

    def item(self, arrays: dict[str, np.ndarray]) -> tuple[object, int]:
        """Gives what run takes, and its rows. It raises InvalidInput."""
        raise NotImplementedError

    def run(self, items: list) -> list[np.ndarray]:
        """Runs the model once for the items of several calls."""
        raise NotImplementedError


def flat(data: list) -> list:
    """Gives the elements of JSON data, which may be nested as the shape is."""
    while data and isinstance(data[0], list):
        data = [element for row in data for element in (row if isinstance(row, list) else [row])]
    return data


class Tickets(Served):
    """Sorts texts, which it tokenizes itself."""

    inputs = [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    outputs = [{"name": "logits", "datatype": "FP32", "shape": [-1, len(CLASSES)]}]

    def __init__(self, folder: pathlib.Path, device: torch.device) -> None:
        self.tokenizer = load_tokenizer(str(folder / "tokenizer.json"))
        super().__init__("tickets", Classifier(self.tokenizer.get_vocab_size()), folder / "tickets.pt", device)

    def item(self, arrays: dict[str, np.ndarray]) -> tuple[list[str], int]:
        texts = []
        for element in arrays["text"]:
            raw = element.encode() if isinstance(element, str) else element
            if not isinstance(raw, bytes) or len(raw) > MAX_TEXT:
                raise InvalidInput(f"input text must hold texts of {MAX_TEXT} bytes at most")
            try:
                texts.append(raw.decode())
            except UnicodeDecodeError:
                raise InvalidInput("input text must hold texts in UTF-8") from None
        return texts, len(texts)

    def run(self, items: list[list[str]]) -> list[np.ndarray]:
        ids, mask = tokenized(self.tokenizer, [text for texts in items for text in texts])
        with torch.inference_mode():
            logits = self.net(ids.to(self.device), mask.to(self.device)).cpu().numpy()
        return np.split(logits, np.cumsum([len(texts) for texts in items])[:-1])


class Sentences(Served):
    """Makes vectors of tokens. The vector of a text is the mean of those whose mask is 1."""

    inputs = [{"name": name, "datatype": "INT64", "shape": [-1, -1]} for name in ("input_ids", "attention_mask")]
    outputs = [{"name": "hidden", "datatype": "FP32", "shape": [-1, -1, SIZE]}]

    def __init__(self, folder: pathlib.Path, device: torch.device) -> None:
        self.vocabulary = load_tokenizer(str(folder / "tokenizer.json")).get_vocab_size()
        super().__init__("sentences", Encoder(self.vocabulary), folder / "sentences.pt", device)

    def item(self, arrays: dict[str, np.ndarray]) -> tuple[tuple[np.ndarray, np.ndarray], int]:
        ids, mask = arrays["input_ids"], arrays["attention_mask"]
        if ids.shape != mask.shape:
            raise InvalidInput(f"input_ids has the shape {list(ids.shape)} and attention_mask {list(mask.shape)}: want the same")
        if ids.min() < 0 or ids.max() >= self.vocabulary:
            raise InvalidInput(f"input_ids must be numbers of tokens, from 0 to {self.vocabulary - 1}")
        if mask.min() < 0 or mask.max() > 1 or mask.max(axis=1).min() < 1:
            raise InvalidInput("attention_mask must be 0 or 1, and 1 at least once in each row")
        return (ids, mask), len(ids)

    def run(self, items: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        longest = max(ids.shape[1] for ids, _ in items)
        joined = [np.concatenate([np.pad(pair[k], ((0, 0), (0, longest - pair[k].shape[1]))) for pair in items]) for k in (0, 1)]
        with torch.inference_mode():
            hidden = self.net(*(torch.from_numpy(part).to(self.device) for part in joined)).cpu().numpy()
        rows = np.split(hidden, np.cumsum([len(ids) for ids, _ in items])[:-1])
        return [np.ascontiguousarray(of[:, : ids.shape[1]]) for of, (ids, _) in zip(rows, items, strict=True)]


class Plane(DataPlane):
    """KServe's, with the binary data that it knows also named, and with requests that cannot be read told apart from faults."""

    def metadata(self) -> dict:
        said = super().metadata()
        return said | {"extensions": [*said["extensions"], "binary_tensor_data"]}

    def decode(self, body: object, headers: dict, **more: object) -> tuple:
        try:
            request, attributes = super().decode(body, headers, **more)
        except InvalidInput:
            raise
        except (InferenceError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, struct.error):
            raise InvalidInput("the request cannot be read: its binary data, sizes and shapes do not fit together") from None
        if isinstance(request, InferRequest) and not well_formed(request):
            raise InvalidInput("the request is not one of the protocol: names must be texts and shapes lists of whole numbers")
        return request, attributes


def well_formed(request: InferRequest) -> bool:
    """Says whether the parts of a request have the types of the protocol, which KServe leaves open beside binary data."""
    named = [*request.inputs, *(request.request_outputs or [])]
    return (
        isinstance(request.id or "", str)
        and all(isinstance(part.name, str) for part in named)
        and all(isinstance(part.parameters or {}, dict) for part in [request, *named])
        and all(isinstance(given.shape, list) and all(type(n) is int for n in given.shape) for given in request.inputs)
        and all(isinstance(given.data, list) for given in request.inputs)
    )


class Loaded(ModelRepository):
    """Models that stay: whoever can call the server must not take them away."""

    def unload(self, name: str) -> None:
        raise InvalidInput("the models of this server stay loaded")


class Bounded:
    """Refuses bodies of more than MAX_BODY bytes before they are in memory."""

    def __init__(self, inner) -> None:
        self.inner = inner

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self.inner(scope, receive, send)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return await self.refuse(scope, receive, send)
        read, answering = 0, False

        async def counted() -> dict:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY:
                raise TooLarge
            return message

        async def watched(message: dict) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self.inner(scope, counted, watched)
        except TooLarge:
            if not answering:
                await self.refuse(scope, receive, send)

    async def refuse(self, scope, receive, send) -> None:
        answer = JSONResponse({"error": f"the request has more than {MAX_BODY} bytes"}, 413, {"Connection": "close"})
        await answer(scope, receive, send)


class TooLarge(BaseException):
    """A body is too large. It is no Exception, so that no handler in between makes another answer of it."""


async def unreadable(_: Request, __: RequestValidationError) -> JSONResponse:
    return JSONResponse({"error": "the request is not one of the protocol: want JSON with inputs that have name, shape, datatype and data"}, 400)


async def busy(_: Request, failed: Busy) -> JSONResponse:
    return JSONResponse({"error": failed.reason}, 503, {"Retry-After": "1"})


async def serve(args: argparse.Namespace) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    repository = Loaded()
    for model in (Tickets(args.model, device), Sentences(args.model, device)):
        repository.update(model)
    plane, extension = Plane(model_registry=repository), ModelRepositoryExtension(model_registry=repository)

    # KServe's own ModelServer listens on all addresses of the machine. Its parts are put together here, to listen on one.
    RESTServer("kserve.model_server:app", plane, extension, args.http_port).create_application()
    app.add_exception_handler(RequestValidationError, unreadable)
    app.add_exception_handler(Busy, busy)
    app.add_middleware(Bounded)
    rest = uvicorn.Server(uvicorn.Config(app, host=args.host, port=args.http_port, log_level="warning", timeout_graceful_shutdown=10))
    rpc = grpc.aio.server(interceptors=[ExceptionToStatusInterceptor()], options=[("grpc.max_receive_message_length", MAX_BODY)])
    add_GRPCInferenceServiceServicer_to_server(InferenceServicer(plane, extension), rpc)
    port = rpc.add_insecure_port(f"{args.host}:{args.grpc_port}")
    await rpc.start()

    async def announce() -> None:
        while not rest.started:
            await asyncio.sleep(0.01)
        http = rest.servers[0].sockets[0].getsockname()[1]
        said = f"http://{args.host}:{http}\ngrpc://{args.host}:{port}\n"
        log.info("serving on %s with torch %s and kserve %s, at %s", device, torch.__version__, version("kserve"), said.split())
        if args.addresses:
            part = args.addresses.with_suffix(".part")
            part.write_text(said, encoding="utf-8")
            part.replace(args.addresses)  # whoever waits for the file finds all of it

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn stops at them, and gives them on when it has; gRPC is to stop after it
    try:
        async with asyncio.TaskGroup() as tasks:
            announced = tasks.create_task(announce())
            await rest.serve()  # until SIGTERM or SIGINT
            announced.cancel()
    finally:
        await rpc.stop(grace=10)
        for model in repository.get_models().values():
            log.info("%s: %d calls in %d batches", model.name, model.batcher.calls, model.batcher.batches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path(__file__).parent / "model", help="the folder that train.py wrote")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=8080, help="0: a free one")
    parser.add_argument("--grpc-port", type=int, default=8081, help="0: a free one")
    parser.add_argument("--threads", type=int, default=1, help="threads that one batch takes of the processor")
    parser.add_argument("--addresses", type=pathlib.Path, help="a file that gets the addresses once both answer")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("kserve.trace").setLevel(logging.WARNING)  # two lines for each request
    torch.set_num_threads(args.threads)
    asyncio.run(serve(args))


if __name__ == "__main__":
    main()
