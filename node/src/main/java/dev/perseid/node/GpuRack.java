package dev.perseid.node;

import dev.perseid.core.Gpus;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.sandbox.Gpu;
import dev.perseid.sandbox.GpuWorker;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The GPUs that a provider lends: which lease holds which, and what they show a pool that measures
/// them. Thread safe.
final class GpuRack implements AutoCloseable {
  private final List<Gpu> gpus;
  private final Path directory;
  private final Runnable lost;

  /// Who holds which, by number in the list. Guarded by itself.
  private final TreeMap<Integer, Long> held = new TreeMap<>();

  /// What uses one GPU, and all of them, while they are measured; one and the same if there is one.
  private @Nullable GpuWorker one;

  private @Nullable GpuWorker all;

  /// Probes so far: nothing was shown since then if there are no more.
  private long probes;

  private boolean closed;

  /// @param directory private folder for what uses them
  /// @param lost hears that one cannot be had back; on any thread
  GpuRack(List<Gpu> gpus, Path directory, Runnable lost) {
    this.gpus = List.copyOf(gpus);
    this.directory = directory;
    this.lost = lost;
  }

  /// What it lends.
  ///
  /// @param memoryBytes of each
  Gpus lent(long memoryBytes) {
    return gpus.isEmpty() ? Gpus.NONE : new Gpus(gpus.size(), memoryBytes);
  }

  /// Hands free ones to a lease.
  ///
  /// @throws IllegalStateException if so many are not free: the provider's loop sees to that, but
  ///   for those that were lost
  List<Gpu> take(long lease, int count) {
    List<Gpu> taken = new ArrayList<>(count);
    synchronized (held) {
      for (int i = 0; i < gpus.size() && taken.size() < count; i++) {
        if (held.putIfAbsent(i, lease) == null) {
          taken.add(gpus.get(i));
        }
      }
      if (taken.size() < count) {
        giveBack(lease);
        throw new IllegalStateException(
            "lease " + lease + " needs " + count + " GPUs, of which " + taken.size() + " are free");
      }
    }
    return taken;
  }

  /// What a lease held is used by something that could not be ended: it is nobody else's until the
  /// next start.
  void lose(long lease) {
    boolean any;
    synchronized (held) {
      any = held.containsValue(lease);
    }
    if (any) {
      lost.run();
    }
  }

  /// What a lease held is free again; nothing happens if it held none.
  void giveBack(long lease) {
    synchronized (held) {
      held.values().removeIf(by -> by == lease);
    }
  }

  /// Does what a probe asks of GPUs; without any digest if they cannot.
  synchronized ProbeAnswer show(Probe probe) throws InterruptedException {
    probes++;
    try {
      GpuWorker onAll = onAll();
      GpuWorker.Filled done =
          switch (probe.part()) {
            case ONE_GPU -> links(onOne(), probe);
            case ALL_GPUS -> links(onAll, probe);
            case GPU_MEMORY -> {
              endOne(); // it holds some of the memory
              yield onAll.memory(probe.seed(), probe.length(), probe.chunkWords());
            }
            case ONE_CORE, ALL_CORES, MEMORY -> throw new IllegalArgumentException("" + probe);
          };
      endWhenIdle(probes);
      return new ProbeAnswer(probe.id(), probe.part(), list(done.digests()), list(done.walk()));
    } catch (IOException e) {
      end();
      return new ProbeAnswer(probe.id(), probe.part(), List.of(), List.of());
    } catch (InterruptedException e) {
      end();
      throw e;
    }
  }

  private static GpuWorker.Filled links(GpuWorker on, Probe probe)
      throws IOException, InterruptedException {
    long[] all = on.links(probe.seed(), probe.lanes(), probe.length());
    long[] last = new long[probe.lanes()];
    for (int lane = 0; lane < last.length; lane++) {
      last[lane] = all[(lane + 1) * probe.length() - 1];
    }
    return new GpuWorker.Filled(last, new long[0]);
  }

  private static List<Long> list(long[] numbers) {
    return Arrays.stream(numbers).boxed().toList();
  }

  private GpuWorker onAll() throws IOException {
    if (closed) {
      throw new IOException("the provider is closed");
    }
    GpuWorker worker = all;
    if (worker == null) {
      worker = GpuWorker.start(directory.resolve("all"), gpus);
      all = worker;
    }
    return worker;
  }

  private GpuWorker onOne() throws IOException {
    GpuWorker worker = one;
    if (worker == null) {
      worker =
          gpus.size() == 1
              ? onAll()
              : GpuWorker.start(directory.resolve("one"), gpus.subList(0, 1));
      one = worker;
    }
    return worker;
  }

  /// What measures takes memory of the GPUs: it ends some time after the last probe.
  private void endWhenIdle(long since) {
    var _ =
        CompletableFuture.runAsync(
            () -> {
              synchronized (this) {
                if (probes == since) {
                  end();
                }
              }
            },
            CompletableFuture.delayedExecutor(ProviderLimits.GPU_IDLE_MS, TimeUnit.MILLISECONDS));
  }

  private void endOne() {
    GpuWorker worker = one;
    if (worker != null && worker != all) {
      worker.close();
      one = null;
    }
  }

  private void end() {
    endOne();
    if (all != null) {
      all.close();
    }
    one = null;
    all = null;
  }

  @Override
  public synchronized void close() {
    closed = true;
    end();
  }
}
