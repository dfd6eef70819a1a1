package dev.perseid.sandbox;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The engine child: runs tasks of one consumer, several at once, told over standard input,
/// answered over standard output. Knows nothing of the network or the provider; reads its input
/// folder, writes its output folder. Ends when its input ends.
///
/// Arguments: SLOTS INPUT_FOLDER OUTPUT_FOLDER.
final class EngineMain {
  private final Path inputFolder;
  private final Path outputFolder;
  private final ModuleShelf shelf;
  private final Deque<Frames.Task> waiting = new ArrayDeque<>();
  private final List<Slot> slots = new ArrayList<>();
  private final ByteSink answers = new ByteSink();
  private boolean ended;

  private EngineMain(Path inputFolder, Path outputFolder) {
    this.inputFolder = inputFolder;
    this.outputFolder = outputFolder;
    this.shelf = new ModuleShelf(inputFolder);
  }

  public static void main(String[] args) throws IOException, InterruptedException {
    OutputStream out = new FileOutputStream(FileDescriptor.out);
    System.setOut(System.err); // nothing but frames may reach standard output
    EngineMain engine = new EngineMain(Path.of(args[1]), Path.of(args[2]));
    engine.serve(Integer.parseInt(args[0]), new FileInputStream(FileDescriptor.in), out);
  }

  private void serve(int slotCount, InputStream in, OutputStream out)
      throws IOException, InterruptedException {
    for (int k = 0; k < slotCount; k++) {
      Slot slot = new Slot();
      slots.add(slot);
      slot.thread = new Thread(null, () -> work(slot), "slot-" + k, Limits.WORKER_STACK_BYTES);
      slot.thread.setDaemon(true);
      slot.thread.start();
    }
    Thread writer = daemon("answers", () -> writeAnswers(out));
    daemon("clock", this::watchClock);
    answer(new Frames.Hello(Frames.VERSION));
    DataInputStream frames = new DataInputStream(new BufferedInputStream(in, 1 << 16));
    for (Frames.Frame f = Frames.read(frames); f != null; f = Frames.read(frames)) {
      switch (f) {
        case Frames.Task task -> {
          synchronized (waiting) {
            waiting.add(task);
            waiting.notify();
          }
        }
        case Frames.Cancel cancel -> cancel(cancel.key());
        case Frames.Hello hello ->
            throw new Frames.Garbage("a frame that only a child sends: " + hello);
        case Frames.Result result ->
            throw new Frames.Garbage("a frame that only a child sends: " + result.key());
      }
    }
    synchronized (answers) {
      ended = true;
      answers.notifyAll();
    }
    writer.join();
  }

  private static Thread daemon(String name, Runnable body) {
    Thread t = new Thread(body, name);
    t.setDaemon(true);
    t.start();
    return t;
  }

  /// One task at a time. Its lock keeps an interrupt for one task from reaching the next.
  private static final class Slot implements Engine.Brake {
    @SuppressWarnings("NullAway.Init")
    Thread thread;

    private Frames.@Nullable Task task;
    private long deadlineNs;
    private volatile Verdict.@Nullable Kind brake;

    @Override
    public Verdict.@Nullable Kind pressed() {
      return brake;
    }

    synchronized void begin(Frames.Task next) {
      task = next;
      brake = null;
      deadlineNs = System.nanoTime() + Math.min(next.wallMs(), 1L << 40) * 1_000_000;
    }

    synchronized void end() {
      task = null;
      var _ = Thread.interrupted();
    }

    synchronized boolean press(long key, Verdict.Kind kind) {
      Frames.Task t = task;
      if (t == null || t.key() != key) {
        return false;
      }
      brake = kind;
      thread.interrupt();
      return true;
    }

    synchronized void checkDeadline(long nowNs) {
      Frames.Task t = task;
      if (t != null && brake == null && nowNs - deadlineNs > 0) {
        press(t.key(), Verdict.Kind.TIME_LIMIT);
      }
    }
  }

  private void watchClock() {
    try {
      while (true) {
        Thread.sleep(Limits.TICK_MS);
        long now = System.nanoTime();
        for (Slot s : slots) {
          s.checkDeadline(now);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void cancel(long key) {
    Frames.Task removed = null;
    synchronized (waiting) {
      for (Frames.Task t : waiting) {
        if (t.key() == key) {
          removed = t;
        }
      }
      if (removed != null) {
        waiting.remove(removed);
      }
    }
    if (removed != null) {
      answer(Runs.failed(key, Verdict.Kind.CANCELLED, "cancelled before it ran"));
      return;
    }
    for (Slot s : slots) {
      if (s.press(key, Verdict.Kind.CANCELLED)) {
        return;
      }
    }
  }

  private void work(Slot slot) {
    try {
      while (true) {
        Frames.Task task;
        synchronized (waiting) {
          while (waiting.isEmpty()) {
            waiting.wait();
          }
          task = waiting.remove();
        }
        slot.begin(task);
        Frames.Result result;
        try {
          result = Runs.run(task, shelf, inputFolder, outputFolder, slot);
        } catch (UncheckedIOException e) {
          result =
              Runs.failed(
                  task.key(),
                  Verdict.Kind.ENGINE_DIED,
                  "the engine's files failed: " + e.getMessage());
        } catch (RuntimeException | LinkageError e) {
          result = Runs.failed(task.key(), Verdict.Kind.ENGINE_DIED, "the engine failed: " + e);
        }
        slot.end();
        answer(result);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void answer(Frames.Frame frame) {
    synchronized (answers) {
      boolean quiet = answers.size() == 0;
      Frames.write(answers, frame);
      if (quiet) {
        answers.notifyAll();
      }
    }
  }

  /// Everything that gathered while the last write was under way goes out in one write.
  private void writeAnswers(OutputStream out) {
    ByteSink going = new ByteSink();
    try {
      while (true) {
        synchronized (answers) {
          while (answers.size() == 0 && !ended) {
            answers.wait();
          }
          if (answers.size() == 0) {
            return;
          }
          going.take(answers);
        }
        going.drainTo(out);
      }
    } catch (IOException | InterruptedException e) {
      Runtime.getRuntime().halt(1); // the sandbox is gone
    }
  }
}
