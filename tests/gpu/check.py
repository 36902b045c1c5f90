#!/usr/bin/env python3
"""Does a training on a GPU get the same bits with DLOP, pinned memory included, and how fast?

Key idea: two servers, this file started by `dlop run` and without it, import torch once and fork
for each job, so that every job starts alike and has a CUDA context of its own. The parent asks both
for the same job and compares the answers; what is measured alternates between them.

Prints one JSON object on standard output; exit status 0 where all checks passed, 1 otherwise.
"""

import argparse
import contextlib
import json
import os
import pathlib
import select
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = "dlop.gpu-check/1"
JOB_LIMIT_S = 120
ROUNDS = 3
# Images of one measurement per core: about one to two seconds for each of the two.
RATE_IMAGES = {"torch": 250, "dlop": 1200}
# A measurement of a second is off by so much now and then.
NOISE = 0.9

LOADERS = {
    "pinned": {},
    "pinned, freed while the copy may run": {"side_stream": True, "batch_size": 4},
    "pinned, persistent workers": {"loader": {"persistent_workers": True}},
    "pinned for a named device": {"loader": {"pin_memory_device": "cuda"}},
    "pinned for the first device": {"loader": {"pin_memory_device": "cuda:0"}},
    "pinned, collate function of the script": {"collate": True},
    "pinned, bytes": {"pipeline": "bytes"},
    "pinned, v2": {"pipeline": "v2"},
    "pinned, no workers": {"loader": {"num_workers": 0}},
    "not pinned": {"loader": {"pin_memory": False}},
    "not pinned, freed while the copy may run": {
        "loader": {"pin_memory": False},
        "side_stream": True,
        "batch_size": 4,
    },
    "not pinned, no workers": {"loader": {"pin_memory": False, "num_workers": 0}},
}
TRAININGS = {
    "float32": {},
    "float32, blocking copies": {"non_blocking": False},
    "float32, channels last": {"channels_last": True},
    "bfloat16 autocast": {"amp": "bfloat16"},
    "float16 autocast with a scaler": {"amp": "float16"},
}


class Server:
    """This file in a process of its own, which answers jobs."""

    def __init__(self, name, options):
        self.name, self._is_lost = name, False
        command = [sys.executable, str(pathlib.Path(__file__).resolve()), "--serve"]
        environment = dict(os.environ, CUBLAS_WORKSPACE_CONFIG=":4096:8")
        if name == "dlop":
            if options.libs:  # for the command, not for Python
                before = os.environ.get("LD_LIBRARY_PATH", "")
                command = ["env", f"LD_LIBRARY_PATH={before}", *command]
                environment["LD_LIBRARY_PATH"] = str(options.libs)
            command = [str(options.dlop), "run", *command]
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, job, **arguments):
        """The job's answer; a dictionary with `error` where it failed or took too long."""
        self.start(job, **arguments)
        return self.answer()

    def start(self, job, **arguments):
        with contextlib.suppress(OSError):  # then there is no answer either
            self._process.stdin.write(json.dumps({"job": job, "arguments": arguments}) + "\n")
            self._process.stdin.flush()

    def answer(self):
        line = ""
        if not self._is_lost:
            ready, _, _ = select.select([self._process.stdout], [], [], JOB_LIMIT_S)
            line = self._process.stdout.readline() if ready else ""
        if not line:  # what came later would be taken for the answer to another job
            self._is_lost = True
            return {"error": f"{self.name}: no answer"}
        return json.loads(line)

    def close(self):
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def ask_all(servers, job, **arguments):
    """Answers of all servers, which work at the same time."""
    for server in servers:
        server.start(job, **arguments)
    return [server.answer() for server in servers]


class Report:
    """What was checked."""

    def __init__(self):
        self.checks = []

    def add(self, name, is_ok, detail=None):
        self.checks.append({"name": name, "ok": bool(is_ok), "detail": detail})
        sys.stderr.write(f"{'ok  ' if is_ok else 'FAIL'} {name}{'' if is_ok else f': {detail}'}\n")

    def same(self, name, theirs, ours, may_refuse=False):
        """Answers that must be equal but for the tier; may_refuse: or the same exception."""
        errors = [answer["error"] for answer in (theirs, ours) if "error" in answer]
        if errors:
            last_lines = [error.strip().splitlines()[-1] for error in errors]
            is_alike = len(errors) == 2 and last_lines[0] == last_lines[1]
            self.add(name, may_refuse and is_alike, errors)
            return
        tiers = theirs.pop("tier"), ours.pop("tier")
        wrong = [key for key in theirs if theirs[key] != ours.get(key)]
        if tiers != (None, "A on cpu"):  # where no device is named, the GPU is the training's
            self.add(name, False, f"tiers {tiers}")
        elif wrong:
            short = {key: [str(theirs[key])[:300], str(ours.get(key))[:300]] for key in wrong}
            self.add(name, False, short)
        else:
            self.add(name, True, {k: v for k, v in ours.items() if k in ("is_pinned", "last_loss")})


def check_equality(servers, options, report):
    data, device = str(options.data), "cpu" if options.cpu_dry_run else "cuda"
    for name, arguments in LOADERS.items():
        if options.quick and name not in ("pinned", "not pinned, freed while the copy may run"):
            continue
        answers = ask_all(servers, "batches", data=data, device=device, **arguments)
        is_expected = "not" not in name.split(",")[0] and device == "cuda"
        pinned = [answer.get("is_pinned") for answer in answers]
        # Some releases of torch refuse a device by its number here.
        report.same(f"batches, {name}", *answers, may_refuse="first device" in name)
        if any(pinned):
            report.add(f"is_pinned, {name}", pinned == [[is_expected]] * 2, pinned)
    for name, arguments in TRAININGS.items():
        if options.quick and name != "bfloat16 autocast":
            continue
        answers = ask_all(servers, "train", data=data, device=device, **arguments)
        report.same(f"training, {name}", *answers)


def check_rates(servers, options, report):
    """Images per second; the two alternate, medians are taken."""
    available = len(os.sched_getaffinity(0))
    cores = [n for n in (1, 2, 4, 8, 16) if n <= available]
    cores = cores[:1] if options.quick else cores
    rates = []
    for n in cores:
        kinds = [False] if options.cpu_dry_run or n not in (1, 4, 16) else [False, True]
        values = {(s.name, is_pinned): [] for s in servers for is_pinned in kinds}
        for _ in range(1 if options.quick else ROUNDS):
            for is_pinned in kinds:
                for s in servers:
                    n_images = RATE_IMAGES[s.name] * n // (4 if options.quick else 1)
                    answer = s.ask(
                        "rate", data=str(options.data), cores=n, pin=is_pinned, n_images=n_images
                    )
                    if "error" in answer:
                        report.add(f"rate at {n} cores", False, answer["error"])
                        return rates
                    values[s.name, is_pinned].append(answer["images_per_s"])
        medians = {key: statistics.median(found) for key, found in values.items()}
        for is_pinned in kinds:
            theirs, ours = medians["torch", is_pinned], medians["dlop", is_pinned]
            row = {"cores": n, "pinned": is_pinned, "torch": round(theirs), "dlop": round(ours)}
            rates.append({**row, "ratio": round(ours / theirs, 2)})
            report.add(f"not slower, {n} cores, pinned {is_pinned}", ours >= theirs, rates[-1])
        if True in kinds:
            ratio = medians["dlop", True] / medians["dlop", False]
            report.add(f"pinned not slower, {n} cores", ratio >= NOISE, round(ratio, 3))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dlop", type=pathlib.Path, default=ROOT / "build/release/dlop")
    parser.add_argument("--data", type=pathlib.Path, help="photographs, one folder per class")
    parser.add_argument("--libs", type=pathlib.Path, help="folder of libraries that dlop needs")
    parser.add_argument("--cpu-dry-run", action="store_true", help="the same without a GPU")
    parser.add_argument("--quick", action="store_true", help="a few of the checks, one core")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
        import jobs

        return jobs.serve(sys.stdin, sys.stdout)
    if options.data is None or not options.data.is_dir():
        parser.error("--data: name a folder with one folder per class")
    begin, report = time.monotonic(), Report()
    servers = [Server("torch", options), Server("dlop", options)]
    try:
        machine = servers[1].ask("machine", want_gpu=not options.cpu_dry_run)
        report.add("machine", "error" not in machine, machine)
        check_equality(servers, options, report)
        rates = check_rates(servers, options, report)
    finally:
        for server in servers:
            server.close()
    is_ok = all(check["ok"] for check in report.checks)
    result = {
        "schema": SCHEMA,
        "ok": is_ok,
        "seconds": round(time.monotonic() - begin, 1),
        "machine": machine,
        "rates": rates,
        "checks": report.checks,
    }
    print(json.dumps(result, indent=1))
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
