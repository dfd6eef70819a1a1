package dev.perseid.sandbox;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;

/// Work on several GPUs at once. Only in the process that uses GPUs.
final class GpuBench {
  private final List<GpuDevice> devices = new ArrayList<>();

  void open(List<Gpu> gpus) throws OpenCl.Refusal {
    if (!devices.isEmpty()) {
      throw new OpenCl.Refusal("GPUs are in use already");
    }
    List<OpenCl.Device> there = OpenCl.devices();
    for (Gpu gpu : gpus) {
      OpenCl.Device found =
          there.stream()
              .filter(device -> isStill(gpu, device.gpu()) && device.usable())
              .findFirst()
              .orElseThrow(() ->
                  new OpenCl.Refusal(
                      gpu.name() + " is not there any more as it was found: look for GPUs anew"));
      devices.add(new GpuDevice(found, gpu.memoryBytes()));
    }
    for (GpuDevice device : devices) {
      device.tryOut();
    }
  }

  private static boolean isStill(Gpu gpu, Gpu there) {
    return gpu.index() == there.index()
        && gpu.name().equals(there.name())
        && gpu.slot().equals(there.slot());
  }

  GpuFrames.Answer.Done links(GpuFrames.Ask.Links ask) throws OpenCl.Refusal, InterruptedException {
    long[] digests = new long[ask.lanes() * ask.length()];
    onEach((device, at) -> {
      int own = share(ask.lanes(), at);
      if (own > 0) {
        long[] made = device.links(ask.seed(), at, devices.size(), own, ask.length());
        for (int k = 0; k < own; k++) {
          int lane = at + k * devices.size();
          System.arraycopy(made, k * ask.length(), digests, lane * ask.length(), ask.length());
        }
      }
    });
    return new GpuFrames.Answer.Done(digests, new long[0]);
  }

  /// How many of all, dealt out in turns, one gets.
  private int share(int all, int at) {
    return (all - at + devices.size() - 1) / devices.size();
  }

  GpuFrames.Answer.Done memory(GpuFrames.Ask.Memory ask)
      throws OpenCl.Refusal, InterruptedException {
    try {
      AtomicInteger shown = new AtomicInteger(ask.chunks());
      onEach((device, at) -> {
        int held = device.take(() -> share(shown.get(), at), ask.chunkWords());
        // The first that found no room ends it.
        shown.accumulateAndGet(at + held * devices.size(), Math::min);
      });
      long[] digests = new long[shown.get()];
      onEach((device, at) -> {
        long[] ends = device.fill(ask.seed(), at, devices.size(), share(digests.length, at));
        for (int k = 0; k < ends.length; k++) {
          digests[at + k * devices.size()] = ends[k];
        }
      });
      return new GpuFrames.Answer.Done(digests, walk(ask, digests));
    } finally {
      devices.forEach(GpuDevice::release);
    }
  }

  private long[] walk(GpuFrames.Ask.Memory ask, long[] digests) throws OpenCl.Refusal {
    long[] walk = new long[digests.length * GpuWorker.WALKS_PER_CHUNK];
    long y = start(ask.seed(), -1);
    for (long digest : digests) {
      y = step(y ^ digest, 0);
    }
    for (int k = 0; k < walk.length; k++) {
      int chunk = (int) (((y >>> 32) * digests.length) >>> 32);
      int word = (int) y & (ask.chunkWords() - 1);
      walk[k] = devices.get(chunk % devices.size()).read(chunk / devices.size(), word);
      y = step(y ^ walk[k], k + 1);
    }
    return walk;
  }

  private static long step(long from, int i) {
    long x = from;
    x ^= x >>> 12;
    x ^= x << 25;
    x ^= x >>> 27;
    return x * 0x2545F4914F6CDD1DL + i;
  }

  private static long start(long seed, int number) {
    long z = seed + (number + 2) * 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  private interface Part {
    void on(GpuDevice device, int at) throws OpenCl.Refusal;
  }

  /// Does a part on each device at the same time, and waits for all.
  private void onEach(Part part) throws OpenCl.Refusal, InterruptedException {
    List<FutureTask<Void>> parts = new ArrayList<>();
    for (int i = 0; i < devices.size(); i++) {
      int at = i;
      Callable<Void> one =
          () -> {
            part.on(devices.get(at), at);
            return null;
          };
      FutureTask<Void> task = new FutureTask<>(one);
      parts.add(task);
      Thread thread = new Thread(null, task, "gpu-" + at, Limits.WORKER_STACK_BYTES);
      thread.setDaemon(true);
      thread.start();
    }
    for (FutureTask<Void> task : parts) {
      try {
        task.get();
      } catch (ExecutionException e) {
        if (e.getCause() instanceof OpenCl.Refusal refusal) {
          throw refusal;
        }
        throw new IllegalStateException(e);
      }
    }
  }
}
