"""How ECS replaces the tasks of a service, on a load balancer and tasks that are played."""

import asyncio
from enum import Enum

from load_balancer import State


class Order(Enum):
    """What happens first to a task that is replaced."""

    # By the book: ECS waits for the end of the deregistration delay, and then stops the task.
    DEREGISTERED_FIRST = "deregistered, then stopped"
    # A Spot task that is taken back, or a deregistration that takes a while to reach every node of the load balancer.
    STOPPED_FIRST = "stopped, then deregistered"
    # The load balancer hears of it from its health checks alone.
    ONLY_STOPPED = "stopped and never deregistered"


class Service:
    """Tasks behind a load balancer. `new_task` makes one that has not started."""

    def __init__(self, load_balancer, timeouts, new_task):
        self.load_balancer, self.timeouts, self.new_task = load_balancer, timeouts, new_task
        self.tasks, self.made, self.statuses = [], [], []

    async def start(self, count):
        """Starts tasks at once and waits until the load balancer sends them requests."""
        started = await asyncio.gather(*(self._start_one() for _ in range(count)))
        self.tasks += started
        return started

    async def _start_one(self):
        task = self.new_task()
        self.made.append(task)
        await task.start()
        target = self.load_balancer.register(task.port)
        await asyncio.gather(task.until_healthy(), target.until(State.HEALTHY))
        return task, target

    async def stop(self, tasks, order):
        """Takes tasks out of service at once, and waits until they have ended."""
        await asyncio.gather(*(self._stop_one(task, target, order) for task, target in tasks))

    async def _stop_one(self, task, target, order):
        self.tasks.remove((task, target))
        if order is Order.DEREGISTERED_FIRST:
            await self.load_balancer.deregister(target)
            statuses = await task.stop()
        elif order is Order.STOPPED_FIRST:
            statuses, _ = await asyncio.gather(task.stop(), self._deregister_late(target))
        else:
            statuses = await task.stop()
            await target.until(State.UNHEALTHY)
            self.load_balancer.forget(target)
        self.statuses.append(statuses)

    async def _deregister_late(self, target):
        """In the middle of the time that nix/timeouts.nix leaves for it: the drain is longer than the delay, but with one writer,
        where no time is left."""
        await asyncio.sleep(max(0, self.timeouts["drain"] - self.timeouts["deregistrationDelay"]) / 2)
        await self.load_balancer.deregister(target)

    async def replace_all(self, order):
        """Rolling, with a minimum of 100 % and a maximum of 200 %: the new ones are in service before the old ones go."""
        old = list(self.tasks)
        await self.start(len(old))
        await self.stop(old, order)

    def kill(self):
        for task in self.made:
            task.kill()
