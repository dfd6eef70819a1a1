package dev.perseid.sandbox;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/// The process that uses GPUs: asked over its standard input, answers over file descriptor 3, as
/// drivers may print to the first two. Ends when its input ends, whatever a driver is doing.
final class GpuMain {
  private static final String ANSWERS = "/dev/fd/3";

  private GpuMain() {}

  public static void main(String[] args) throws IOException {
    BlockingQueue<GpuFrames.Ask> asked = new LinkedBlockingQueue<>();
    DataOutputStream to =
        new DataOutputStream(new BufferedOutputStream(new FileOutputStream(ANSWERS), 1 << 16));
    // Drivers have compilers, which need room on the stack.
    Thread worker = new Thread(null, () -> work(asked, to), "gpu-work", Limits.WORKER_STACK_BYTES);
    worker.setDaemon(true);
    worker.start();
    DataInputStream from =
        new DataInputStream(new BufferedInputStream(new FileInputStream(FileDescriptor.in)));
    for (GpuFrames.Ask ask = GpuFrames.readAsk(from); ask != null; ask = GpuFrames.readAsk(from)) {
      asked.add(ask);
    }
    Runtime.getRuntime().halt(0);
  }

  private static void work(BlockingQueue<GpuFrames.Ask> asked, DataOutputStream to) {
    GpuBench bench = new GpuBench();
    try {
      while (true) {
        GpuFrames.write(to, answer(bench, asked.take()));
      }
    } catch (IOException | InterruptedException e) {
      Runtime.getRuntime().halt(1); // whoever asked is gone
    } catch (Throwable e) {
      // A bug: it crashes, and says why.
      e.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
  }

  private static GpuFrames.Answer answer(GpuBench bench, GpuFrames.Ask ask)
      throws InterruptedException {
    try {
      return switch (ask) {
        case GpuFrames.Ask.Find(boolean processorsToo) -> {
          String problem = OpenCl.load();
          yield new GpuFrames.Answer.Found(
              problem.isEmpty()
                  ? OpenCl.find(processorsToo)
                  : new GpuWorker.Found(List.of(), problem));
        }
        case GpuFrames.Ask.Open open -> {
          String problem = OpenCl.load();
          if (!problem.isEmpty()) {
            throw new OpenCl.Refusal(problem);
          }
          bench.open(open.gpus());
          yield new GpuFrames.Answer.Opened();
        }
        case GpuFrames.Ask.Links links -> bench.links(links);
        case GpuFrames.Ask.Memory memory -> bench.memory(memory);
      };
    } catch (OpenCl.Refusal e) {
      return new GpuFrames.Answer.Failed(String.valueOf(e.getMessage()));
    }
  }
}
