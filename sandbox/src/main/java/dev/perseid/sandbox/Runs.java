package dev.perseid.sandbox;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// One task in the child, from its frame to the answer.
final class Runs {
  private Runs() {}

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
  private static final byte[] NO_BYTES = {};

  static Frames.Result failed(long key, Verdict.Kind kind, String message) {
    return new Frames.Result(
        key,
        kind,
        cut(message),
        Frames.NONE,
        Frames.NONE,
        Frames.NONE,
        Frames.NONE,
        NO_BYTES,
        List.of());
  }

  private static String cut(String message) {
    byte[] utf8 = message.getBytes(StandardCharsets.UTF_8);
    return utf8.length <= Limits.MESSAGE_BYTES
        ? message
        : new String(utf8, 0, Limits.MESSAGE_BYTES / 2, StandardCharsets.UTF_8);
  }

  static Frames.Result run(
      Frames.Task task,
      ModuleShelf shelf,
      Path inputFolder,
      Path outputFolder,
      Engine.Brake brake) {
    ModuleShelf.Entry entry = shelf.get(task.module());
    return switch (entry) {
      case ModuleShelf.Entry.Refusal refusal ->
          task.trace().length == 0
              ? failed(task.key(), Verdict.Kind.MODULE_REFUSED, refusal.message())
              : refused(task, outputFolder);
      case ModuleShelf.Entry.Ready ready ->
          task.trace().length == 0
              ? run(task, ready.engine(), inputFolder, outputFolder, brake)
              : trace(task, ready.engine(), inputFolder, outputFolder, brake);
    };
  }

  // ---- traces -----------------------------------------------------------------------------------

  /// A module that may not run has ended before it began.
  private static Frames.Result refused(Frames.Task task, Path outputFolder) {
    Tracer.Wanted wanted = Tracer.decode(task.trace());
    Checkpoint end =
        new Checkpoint.Ended(0, Optional.of(Verdict.Kind.MODULE_REFUSED), 0, List.of());
    try (FolderOutputs out = new FolderOutputs(task, outputFolder)) {
      byte[] said =
          Tracer.encode(Collections.nCopies(wanted.plan().steps().size(), end), List.of(), 0);
      out.append(0, said, said.length);
      return told(task, new Engine.Ending(null, "", 0, 0), out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Frames.Result told(Frames.Task task, Engine.Ending ending, FolderOutputs out) {
    return new Frames.Result(
        task.key(),
        null,
        "",
        ending.gasUsed(),
        Frames.NONE,
        Frames.NONE,
        ending.peakBytes(),
        NO_BYTES,
        out.finish());
  }

  private static Frames.Result trace(
      Frames.Task task, Engine engine, Path inputFolder, Path outputFolder, Engine.Brake brake) {
    Tracer.Wanted wanted = Tracer.decode(task.trace());
    TracePlan plan = wanted.plan();
    try (FolderInputs inputs = new FolderInputs(task, inputFolder);
        FolderOutputs out = new FolderOutputs(task, outputFolder);
        InputStream from = wanted.resumed() ? inputs.last() : InputStream.nullInputStream()) {
      TraceOutputs outputs = new TraceOutputs(wanted.outputs(), !plan.keep().isEmpty());
      HostCalls host =
          new HostCalls(
              task.args(),
              wanted.resumed() ? inputs.withoutLast() : inputs,
              outputs,
              wanted.outputs(),
              Long.MAX_VALUE);
      Tracer tracer =
          new Tracer(
              plan,
              outputs,
              task.gas(),
              wanted.resumed() ? from : null,
              step -> out.stream(1 + plan.keep().indexOf(step)));
      Engine.Ending ending = engine.run(host, task.gas(), task.pages(), brake, tracer);
      if (ending.kind() != null && ending.kind().fault() != Verdict.Fault.TASK) {
        return failed(task.key(), ending.kind(), ending.message());
      }
      byte[] said = Tracer.encode(tracer.told(ending), tracer.kept(), tracer.stepsRun());
      out.append(0, said, said.length);
      return told(task, ending, out);
    } catch (Engine.WatchFailed e) {
      return failed(task.key(), Verdict.Kind.NOT_STARTED, String.valueOf(e.getMessage()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // ---- runs -------------------------------------------------------------------------------------

  static Frames.Result run(
      Frames.Task task, Engine engine, Path inputFolder, Path outputFolder, Engine.Brake brake) {
    try (FolderInputs inputs = new FolderInputs(task, inputFolder);
        FolderOutputs outputs = new FolderOutputs(task, outputFolder)) {
      HostCalls host =
          new HostCalls(task.args(), inputs, outputs, task.outputs(), task.outputBytes());
      boolean hasClock = THREADS.isCurrentThreadCpuTimeSupported();
      long cpu = hasClock ? THREADS.getCurrentThreadCpuTime() : 0;
      long wall = System.nanoTime();
      Engine.Ending ending = engine.run(host, task.gas(), task.pages(), brake);
      long wallNs = System.nanoTime() - wall;
      long cpuNs = hasClock ? THREADS.getCurrentThreadCpuTime() - cpu : Frames.NONE;
      List<Frames.Part> parts = ending.kind() == null ? outputs.finish() : List.of();
      return new Frames.Result(
          task.key(),
          ending.kind(),
          cut(ending.message()),
          ending.gasUsed(),
          cpuNs,
          wallNs,
          ending.peakBytes(),
          host.log(),
          parts);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Inputs from the frame and from the input folder.
  private static final class FolderInputs implements HostCalls.Inputs, AutoCloseable {
    private final Frames.Task task;
    private final Path folder;
    private final @Nullable RandomAccessFile[] open;

    FolderInputs(Frames.Task task, Path folder) {
      this.task = task;
      this.folder = folder;
      this.open = new RandomAccessFile[task.inputs().size()];
    }

    /// The last input as a stream.
    InputStream last() throws IOException {
      int index = task.inputs().size() - 1;
      byte[] bytes = task.inputs().get(index).bytes();
      return bytes == null
          ? Files.newInputStream(folder.resolve(Frames.inputName(task.key(), index)))
          : new ByteArrayInputStream(bytes);
    }

    /// These, less the last one.
    HostCalls.Inputs withoutLast() {
      FolderInputs all = this;
      return new HostCalls.Inputs() {
        @Override
        public int count() {
          return all.count() - 1;
        }

        @Override
        public long size(int index) {
          return all.size(index);
        }

        @Override
        public void read(int index, long offset, byte[] to, int n) {
          all.read(index, offset, to, n);
        }
      };
    }

    @Override
    public int count() {
      return task.inputs().size();
    }

    @Override
    public long size(int index) {
      return task.inputs().get(index).size();
    }

    @Override
    public void read(int index, long offset, byte[] to, int n) {
      byte[] bytes = task.inputs().get(index).bytes();
      if (bytes != null) {
        System.arraycopy(bytes, (int) offset, to, 0, n);
        return;
      }
      try {
        RandomAccessFile file = open[index];
        if (file == null) {
          file =
              new RandomAccessFile(
                  folder.resolve(Frames.inputName(task.key(), index)).toFile(), "r");
          open[index] = file;
        }
        file.seek(offset);
        file.readFully(to, 0, n);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void close() throws IOException {
      for (RandomAccessFile f : open) {
        if (f != null) {
          f.close();
        }
      }
    }
  }

  /// Outputs in memory while they are small, in the output folder when not.
  private static final class FolderOutputs implements HostCalls.Outputs, AutoCloseable {
    private final Frames.Task task;
    private final Path folder;
    private final @Nullable ByteArrayOutputStream[] small;
    private final @Nullable OutputStream[] large;
    private final long[] sizes;
    private int inMemory;

    FolderOutputs(Frames.Task task, Path folder) {
      this.task = task;
      this.folder = folder;
      this.small = new ByteArrayOutputStream[task.outputs()];
      this.large = new OutputStream[task.outputs()];
      this.sizes = new long[task.outputs()];
    }

    @Override
    public void append(int index, byte[] from, int n) {
      try {
        OutputStream file = large[index];
        ByteArrayOutputStream memory = small[index];
        sizes[index] += n;
        if (file == null
            && sizes[index] <= Limits.INLINE_BYTES
            && inMemory + n <= Limits.INLINE_TOTAL_BYTES) {
          if (memory == null) {
            memory = new ByteArrayOutputStream(n);
            small[index] = memory;
          }
          memory.write(from, 0, n);
          inMemory += n;
          return;
        }
        if (file == null) {
          file =
              new FileOutputStream(folder.resolve(Frames.outputName(task.key(), index)).toFile());
          large[index] = file;
          if (memory != null) {
            memory.writeTo(file);
            inMemory -= memory.size();
            small[index] = null;
          }
        }
        file.write(from, 0, n);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /// What is written to it is appended to an output.
    OutputStream stream(int index) {
      return new OutputStream() {
        @Override
        public void write(int b) {
          append(index, new byte[] {(byte) b}, 1);
        }

        @Override
        public void write(byte[] from, int offset, int n) {
          append(index, Arrays.copyOfRange(from, offset, offset + n), n);
        }
      };
    }

    List<Frames.Part> finish() {
      List<Frames.Part> parts = new ArrayList<>(sizes.length);
      for (int k = 0; k < sizes.length; k++) {
        ByteArrayOutputStream memory = small[k];
        if (large[k] != null) {
          parts.add(new Frames.Part(sizes[k], null));
        } else {
          parts.add(new Frames.Part(sizes[k], memory == null ? NO_BYTES : memory.toByteArray()));
        }
      }
      return parts;
    }

    @Override
    public void close() throws IOException {
      for (OutputStream f : large) {
        if (f != null) {
          f.close();
        }
      }
    }
  }
}
