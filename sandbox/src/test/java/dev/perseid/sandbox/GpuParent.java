package dev.perseid.sandbox;

import java.nio.file.Path;
import java.util.List;

/// A process that has a worker work on GPUs without end, says the worker's process id, and waits to
/// be killed. Argument: a folder.
final class GpuParent {
  private GpuParent() {}

  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    List<Gpu> gpus = GpuWorker.find(folder, true).gpus();
    GpuWorker worker = GpuWorker.start(folder, gpus);
    Thread call =
        Thread.ofPlatform()
            .start(() -> {
              try {
                var _ = worker.links(1, 4, 1 << 20);
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    while (call.getState() != Thread.State.TIMED_WAITING) {
      Thread.onSpinWait();
    }
    System.out.println(worker.pid());
    call.join();
  }
}
