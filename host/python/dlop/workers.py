"""What a script's worker_init_fn does, found by letting it do it in real worker processes.

Key idea: the function is not understood but run, once per worker, in a child of the loader's own
multiprocessing context that was seeded as torch seeds it. The child sends back its three random
states, and says whether the dataset, the transforms and the settings of decoders are still what
they were. Anything else that it changed is not a matter of samples.
"""

from __future__ import annotations

import hashlib
import pickle
import random
import sys
from typing import Any

from .transforms import Unmapped

_JOIN_S = 120


def states_after_init(loader: Any, base_seed: int) -> list[tuple[Any, Any, Any]] | None:
    """(torch blob, python state, numpy state) of each worker, or None without a worker_init_fn.

    Raises Unmapped where the function changes more than random states, or fails.
    """
    init = loader.worker_init_fn
    if init is None:
        return None
    import torch.multiprocessing

    context = loader.multiprocessing_context or torch.multiprocessing
    n = loader.num_workers
    links, children = [], []
    try:
        for w in range(n):
            mine, theirs = context.Pipe(duplex=False)
            arguments = (theirs, loader.dataset, init, w, n, base_seed)
            child = context.Process(target=run_init, args=arguments, daemon=True)
            child.start()
            theirs.close()
            links.append(mine)
            children.append(child)
        return [_answer(link, w) for w, link in enumerate(links)]
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise Unmapped(f"worker_init_fn cannot be sent: {error}") from error
    finally:
        for link in links:
            link.close()
        for child in children:
            child.join(_JOIN_S)


def _answer(link: Any, worker: int) -> tuple[Any, Any, Any]:
    import torch

    try:
        answer = pickle.loads(link.recv_bytes()) if link.poll(_JOIN_S) else "no answer"
    except EOFError:
        answer = "its process ended"
    if isinstance(answer, str):
        raise Unmapped(f"worker_init_fn in worker {worker}: {answer}")
    blob, python, numpy = answer
    return torch.frombuffer(bytearray(blob), dtype=torch.uint8).clone(), python, numpy


def run_init(link: Any, dataset: Any, init: Any, worker: int, n: int, base_seed: int) -> None:
    """In the child: seed, run the function, send the states or a text that says why not."""
    import torch
    from torch.utils.data._utils import worker as stock_worker

    from . import rng

    try:
        torch.set_num_threads(1)
        seat = rng.Seat(base_seed, worker, n, dataset)
        torch.manual_seed(base_seed + worker)
        random.seed(base_seed + worker)
        if "numpy" in sys.modules:
            import numpy

            numpy.random.seed(rng.numpy_seed(base_seed, worker))
        stock_worker._worker_info = seat.info
        before = _digest(dataset)
        init(worker)
        after = _digest(dataset)
        if before != after:
            answer: Any = "it changes the dataset or the settings of its decoders"
        else:
            answer = _states()
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    link.send_bytes(pickle.dumps(answer))
    link.close()


def _states() -> tuple[bytes, Any, Any]:
    import torch

    numpy_state = None
    if "numpy" in sys.modules:
        import numpy

        numpy_state = numpy.random.get_state()
    return bytes(torch.get_rng_state().numpy()), random.getstate(), numpy_state


def _digest(dataset: Any) -> tuple[Any, ...]:
    """Everything that decides what this process makes of a record."""
    from . import datasets, transforms

    values: list[Any] = [hashlib.sha256(pickle.dumps(dataset)).hexdigest()]
    records = datasets.recognise(dataset)
    values += [transforms.cached(base.dataset.transform, base.mode) for base in records.bases]
    image, file = sys.modules.get("PIL.Image"), sys.modules.get("PIL.ImageFile")
    values.append(getattr(image, "MAX_IMAGE_PIXELS", None))
    values.append(getattr(file, "LOAD_TRUNCATED_IMAGES", None))
    return tuple(values)
