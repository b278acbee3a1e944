"""Several processes, started by `torchrun` on one host or many, that train one network together."""

import gc
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, NoReturn, TypeVar
from uuid import uuid4

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.rendezvous import rendezvous
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from dragoman.model.errors import DragomanError
from dragoman.training.learning.lifeline import Lifeline, host_address
from dragoman.training.learning.objective import Objective

Value = TypeVar("Value")

LONGEST_WAIT = timedelta(days=7)
"""Time to wait for another process. A busy one, for instance in a long validation, must not count as dead; a dead one
closes its connections, and torchrun ends the others."""


class PeerError(DragomanError):
    """The main process of the run has failed and reported the reason."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a run, seen from one of them. The default is a run of a single process."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable
    launcher: str | None = None  # identifies the torchrun that started this process; None without one
    restarts: int = 0  # times that torchrun has restarted the run
    meshes: list[DeviceMesh] = field(default_factory=list)  # of the sharded networks

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes, validates and prints."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sum over all processes of each value, the same to the bit in all of them."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        with _peers_may_fail():
            dist.all_reduce(total)
        return total.tolist()

    def share(self, value: Value, root: int = 0) -> Value:
        """Returns the value of the main process, or of another `root`, which JSON can hold, in all processes."""
        if self.size == 1:
            return value
        content = torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8)
        length = torch.tensor(len(content))
        with _peers_may_fail():
            dist.broadcast(length, src=root)
            if self.rank != root:
                content = torch.empty(int(length), dtype=torch.uint8)
            dist.broadcast(content, src=root)
        shared: Value = json.loads(bytes(content.tolist()))
        return shared

    def collect(self, value: Value) -> list[Value]:
        """Every process's value, which JSON can hold, in the order of their ranks, in all processes."""
        return [self.share(value, root=rank) for rank in range(self.size)]

    def on_main(self, action: Callable[[], Value]) -> Value:
        """Runs an action in the main process while the others wait; all return its result, which JSON can hold.

        A DragomanError of the action is raised in the main process, and PeerError in the others.
        """
        try:
            value, error = (action() if self.is_main else None), None
        except DragomanError as failure:
            value, error = None, failure
        value, message = self.share((value, str(error) if error is not None else None))
        if error is not None:
            raise error
        if message is not None:
            raise PeerError(message)
        return value  # type: ignore[return-value] # the main process's

    def fail(self, message: str) -> NoReturn:
        """Ends the run for a reason that all processes have found. Raises DragomanError in the main process, PeerError
        in the others."""
        raise DragomanError(message) if self.is_main else PeerError(message)


@contextmanager
def join_world() -> Iterator[World]:
    """Finds the other processes if torchrun started this one: gloo connects processors, NCCL accelerators."""
    has_cuda = torch.cuda.is_available()
    if not dist.is_torchelastic_launched():
        yield World(device=torch.device("cuda" if has_cuda else "cpu"))
        return
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if has_cuda else torch.device("cpu")
    if has_cuda:
        torch.cuda.set_device(device)
    agent_store, rank, size = next(rendezvous("env://"))
    store = _meet(agent_store, rank, size)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if has_cuda else "gloo",
        store=store,
        rank=rank,
        world_size=size,
        timeout=LONGEST_WAIT,
    )
    world = World(
        rank=dist.get_rank(),
        size=dist.get_world_size(),
        device=device,
        launcher=f"{os.environ['TORCHELASTIC_RUN_ID']} {socket.gethostname()} {os.getppid()}",
        restarts=int(os.environ["TORCHELASTIC_RESTART_COUNT"]),
    )
    lifeline = _hold_lifeline(store, world)
    try:
        yield world
    finally:
        if lifeline is not None:
            lifeline.close()
        dist.destroy_process_group()
        _end_threads(world)


def _hold_lifeline(store: Store, world: World) -> Lifeline | None:
    """Between hosts. Without one, where a network forbids it, a lost host is noticed when sending to it fails."""
    if int(os.environ.get("LOCAL_WORLD_SIZE", world.size)) == world.size:
        return None
    try:
        address = host_address(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
        return Lifeline(store, world.rank, world.size, address)
    except OSError:
        return None


def _end_threads(world: World) -> None:
    """Ends gloo's threads, which a sharded network's mesh keeps alive: DTensor's caches hold the mesh, and the mesh the
    process group. A thread that meets the end of the interpreter while it releases a tensor aborts the process
    ("terminate called without an active exception")."""
    for mesh in world.meshes:
        mesh._pg_registry.clear()
    gc.collect()  # modules with hooks are cycles, which hold the process group as well


def _meet(store: Store, rank: int, size: int) -> Store:
    """A part of torchrun's store that only the processes of this start use.

    When torchrun restarts a run it keeps its store, with the addresses of dead processes, and a process that finds such
    an address does not ask for another. So the first process names a meeting, the others sign in to it, and it begins
    when the first has published the list.
    """
    own = uuid4().hex
    if rank == 0:
        store.set("meeting", own)
        guests = [own, *(store.get(f"{own}/{guest}").decode() for guest in range(1, size))]
        store.set(f"{own}/guests", json.dumps(guests))
        return PrefixStore(own, store)
    while True:
        meeting = store.get("meeting").decode()  # perhaps still that of an earlier start
        store.set(f"{meeting}/{rank}", own)
        with suppress(RuntimeError):  # no list was published for a second
            store.wait([f"{meeting}/guests"], timedelta(seconds=1))
            if json.loads(store.get(f"{meeting}/guests"))[rank : rank + 1] == [own]:
                return PrefixStore(meeting, store)
            time.sleep(0.05)


def distribute(objective: Objective, world: World, sharding: Literal["none", "full"]) -> nn.Module:
    """The module to call instead of the objective: its gradients are the mean over all processes.

    With "full" sharding (FSDP2) the network's parameters become DTensors, and each process holds a part of each.
    """
    if world.size == 1:
        return objective
    if sharding == "none":
        return DistributedDataParallel(objective, forward_sync_buffers=False, gradient_as_bucket_view=True)
    mesh = init_device_mesh(world.device.type, (world.size,))
    world.meshes.append(mesh)
    network = objective.network
    for layer in network.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(objective, mesh=mesh)
    return objective


@contextmanager
def gradient_exchange(module: nn.Module, *, is_last: bool) -> Iterator[None]:
    """The context of a batch's forward and backward pass: gradients are exchanged with an update's last batch alone."""
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(is_last)
        yield
    elif isinstance(module, DistributedDataParallel) and not is_last:
        with module.no_sync():
            yield
    else:
        yield


def gather(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded; all processes must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def scatter_like(tensor: Tensor, model: Tensor) -> Tensor:
    """A whole tensor, placed like another one of its shape: on its device, and sharded if that is; all processes must
    call it."""
    if isinstance(model, DTensor):
        return distribute_tensor(tensor.to(model.device), model.device_mesh, model.placements)
    return tensor.to(model.device)


@contextmanager
def _peers_may_fail() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # gloo's, in several lines
        raise DragomanError("another process of this run has ended; with --resume the run can go on") from error
