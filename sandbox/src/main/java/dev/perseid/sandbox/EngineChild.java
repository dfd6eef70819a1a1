package dev.perseid.sandbox;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The sandbox's end of one child process: puts its files in place, sends it tasks, reads its
/// answers. What comes from the child is not believed: an answer outside of the rules ends the
/// child.
///
/// Three threads: one starts the process and reads answers (it lives as long as the child, because
/// bubblewrap dies with the thread that started it), one writes, one keeps the end of what the
/// child says on its standard error.
final class EngineChild {
  /// What the sandbox is told. Called on this child's threads.
  interface Owner {
    void ready(EngineChild child);

    /// Takes the run out of the outstanding ones; null when it is not among them.
    @Nullable Run take(EngineChild child, long key);

    /// A run that was taken has ended.
    void finished(EngineChild child, Run run, Execution execution);

    /// Nothing more comes from this child.
    void ended(EngineChild child, String why);
  }

  /// Starts the process of a child.
  interface Starter {
    /// The calling thread must live as long as the process.
    Process start(Path in, Path out) throws IOException;

    /// Whether the child sees its inputs read only.
    boolean isolates();
  }

  private sealed interface Order {
    record Send(Run run) implements Order {}

    record Cancel(long key) implements Order {}

    record End() implements Order {}
  }

  private final Owner owner;
  private final Starter starter;
  private final Path in;
  private final Path out;
  private final Path folder;
  private final Path results;
  private final Deque<Order> orders = new ArrayDeque<>();
  private boolean ready;
  private boolean dead;
  private @Nullable Process process;
  private volatile @Nullable String doom;
  private final LastWords lastWords = new LastWords();
  final String consumer;

  // Guarded by the sandbox's lock.
  final LinkedHashMap<Long, Run> outstanding = new LinkedHashMap<>();
  boolean isReady;

  /// When the last answer came, and the mean time between answers; 0 before there are any.
  private long answeredNs;

  private double meanNs;

  /// It was killed because of one of its tasks; the others are not to blame.
  boolean killedForOne;

  /// The task that did not stop in time.
  @Nullable Run overdue;

  private final CountDownLatch gone = new CountDownLatch(1);
  private final LinkedHashMap<String, Boolean> modules = new LinkedHashMap<>(16, 0.75f, true);

  EngineChild(Owner owner, Starter starter, String consumer, Path folder, Path results) {
    this.owner = owner;
    this.starter = starter;
    this.consumer = consumer;
    this.folder = folder;
    this.in = folder.resolve("in");
    this.out = folder.resolve("out");
    this.results = results;
  }

  /// An answer came: measures how fast they come.
  void noteAnswer(long nowNs) {
    if (answeredNs != 0) {
      double since = nowNs - answeredNs;
      meanNs = meanNs == 0 ? since : meanNs + (since - meanNs) / 16;
    }
    answeredNs = nowNs;
  }

  /// How many tasks it may hold: as many as it answers in a short time, so that short tasks flow
  /// without a pause, and long ones do not pile up where a cancellation, another consumer's turn or
  /// its death would find them.
  int window(int slots) {
    int enough =
        meanNs == 0
            ? 2 * slots
            : (int) Math.min(Limits.CHILD_WINDOW, Limits.CHILD_AHEAD_NS / meanNs);
    return Math.max(2 * slots, enough);
  }

  void start(String name) {
    Thread.ofPlatform().daemon().name(name + "-reader").start(this::live);
    Thread.ofPlatform().daemon().name(name + "-writer").start(this::write);
  }

  void send(Run run) {
    order(new Order.Send(run));
  }

  void cancel(long key) {
    order(new Order.Cancel(key));
  }

  /// Lets it end by itself; nothing may be outstanding.
  void retire() {
    order(new Order.End());
  }

  private void order(Order o) {
    synchronized (orders) {
      orders.add(o);
      if (orders.size() == 1) {
        orders.notifyAll();
      }
    }
  }

  /// Ends it at once.
  void kill(String why) {
    if (doom == null) {
      doom = why;
    }
    Process p;
    boolean up;
    synchronized (orders) {
      dead = true;
      p = process;
      up = ready;
      orders.notifyAll();
    }
    if (p != null) {
      destroy(p, up);
    }
  }

  /// Ends the process and all below it. Once the child greeted, everything below dies with it.
  /// Before, bubblewrap may just be splitting in two, and killing its upper half would leave the
  /// lower one waiting for it for ever; so the lower ones are killed as they appear, until the
  /// upper one gives up.
  static void destroy(Process p, boolean up) {
    if (up) {
      var _ = p.destroyForcibly();
      return;
    }
    Thread.ofPlatform()
        .daemon()
        .start(() -> {
          try {
            long end = System.nanoTime() + Limits.CLOSE_MS * 1_000_000;
            do {
              p.descendants().forEach(ProcessHandle::destroyForcibly);
            } while (!p.waitFor(5, TimeUnit.MILLISECONDS) && System.nanoTime() - end < 0);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          var _ = p.destroyForcibly();
        });
  }

  /// Its process id; absent before it started.
  OptionalLong pid() {
    synchronized (orders) {
      return process == null ? OptionalLong.empty() : OptionalLong.of(process.pid());
    }
  }

  private void live() {
    String why = "it ended";
    try {
      Files.createDirectories(in);
      Files.createDirectories(out);
      Process p = starter.start(in, out);
      synchronized (orders) {
        process = p;
        if (dead) {
          destroy(p, false);
        }
      }
      Thread.ofPlatform().daemon().start(() -> lastWords.listen(p.getErrorStream()));
      DataInputStream frames =
          new DataInputStream(new BufferedInputStream(p.getInputStream(), 1 << 16));
      Frames.Frame first = Frames.read(frames);
      if (first instanceof Frames.Hello(int version) && version == Frames.VERSION) {
        owner.ready(this);
        synchronized (orders) {
          ready = true;
          orders.notifyAll();
        }
        for (Frames.Frame f = Frames.read(frames); f != null; f = Frames.read(frames)) {
          if (!(f instanceof Frames.Result result)) {
            throw new Frames.Garbage("a frame that only the sandbox sends");
          }
          take(result);
        }
      } else if (first != null) {
        throw new Frames.Garbage(
            "a first frame that is not a greeting of version " + Frames.VERSION);
      }
    } catch (Frames.Garbage e) {
      why = "it answered nonsense: " + e.getMessage();
      kill(why);
    } catch (IOException e) {
      why = String.valueOf(e.getMessage());
    }
    end(why);
  }

  private void end(String why) {
    Process p;
    synchronized (orders) {
      dead = true;
      p = process;
      orders.notifyAll();
    }
    String code = "";
    if (p != null) {
      try {
        if (p.waitFor(Limits.CLOSE_MS, TimeUnit.MILLISECONDS)) {
          code = " (exit code " + p.exitValue() + ")";
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      var _ = p.destroyForcibly();
    }
    String said = lastWords.text();
    String reason = doom == null ? why + code + (said.isEmpty() ? "" : ": " + said) : doom;
    owner.ended(this, reason);
    Folders.delete(folder);
    gone.countDown();
  }

  /// Waits until the process and its folder are gone.
  void awaitEnd(long limitMs) {
    try {
      var _ = gone.await(limitMs, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void write() {
    List<Order> batch = new ArrayList<>();
    ByteSink sink = new ByteSink();
    try {
      while (true) {
        OutputStream to;
        synchronized (orders) {
          while ((orders.isEmpty() || !ready) && !dead) {
            orders.wait();
          }
          if (dead || process == null) {
            return;
          }
          batch.clear();
          batch.addAll(orders);
          orders.clear();
          to = process.getOutputStream();
        }
        boolean last = false;
        for (Order o : batch) {
          switch (o) {
            case Order.Send send -> send(send.run(), sink);
            case Order.Cancel cancel -> Frames.write(sink, new Frames.Cancel(cancel.key()));
            case Order.End end -> last = true;
          }
          if (sink.size() > 1 << 16) {
            sink.drainTo(to);
          }
        }
        if (sink.size() > 0) {
          sink.drainTo(to);
        }
        if (last) {
          to.close();
          return;
        }
      }
    } catch (IOException e) {
      kill("it stopped reading: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// A file of the caller's is not what was said: a message for the caller.
  private static final class Missing extends Exception {
    private static final long serialVersionUID = 1;

    Missing(String message) {
      super(message);
    }
  }

  private void send(Run run, ByteSink sink) {
    try {
      Portable task = run.task;
      String module = HexFormat.of().formatHex(task.moduleSha256());
      placeModule(task, module);
      List<Frames.Part> inputs = new ArrayList<>(task.inputs().size());
      int inline = 0;
      for (int k = 0; k < task.inputs().size(); k++) {
        Path placed = in.resolve(Frames.inputName(run.key, k));
        switch (task.inputs().get(k)) {
          case Input.Inline(byte[] bytes) -> {
            inline += bytes.length;
            if (inline <= Limits.INLINE_TOTAL_BYTES) {
              inputs.add(new Frames.Part(bytes.length, bytes));
            } else {
              Files.write(placed, bytes);
              inputs.add(new Frames.Part(bytes.length, null));
            }
          }
          case Input.File(Path path, long size) -> {
            if (!Files.isRegularFile(path) || Files.size(path) != size) {
              throw new Missing(
                  "input " + k + ": there is no file of " + size + " bytes at " + path);
            }
            place(path, placed);
            inputs.add(new Frames.Part(size, null));
          }
        }
      }
      RunLimits limits = run.task.limits();
      Frames.write(
          sink,
          new Frames.Task(
              run.key,
              module,
              limits.gas(),
              (int) Math.min(limits.memoryBytes() / Limits.PAGE_BYTES, Limits.MEMORY_PAGES),
              limits.outputBytes(),
              limits.wallMs(),
              task.outputs(),
              task.args(),
              inputs,
              run.trace));
    } catch (Missing | IOException e) {
      Run taken = owner.take(this, run.key);
      if (taken != null) {
        removeInputs(run);
        owner.finished(
            this, run, run.failed(Verdict.Kind.NOT_STARTED, String.valueOf(e.getMessage())));
      }
    }
  }

  private void placeModule(Portable task, String sha256) throws IOException, Missing {
    if (modules.get(sha256) != null) {
      return;
    }
    if (!Files.isRegularFile(task.module())) {
      throw new Missing("there is no module at " + task.module());
    }
    byte[] wasm;
    try (InputStream file = Files.newInputStream(task.module())) {
      wasm = file.readNBytes(Limits.MODULE_BYTES + 1);
    }
    if (!Arrays.equals(sha256().digest(wasm), task.moduleSha256())
        && wasm.length <= Limits.MODULE_BYTES) {
      throw new Missing("the module at " + task.module() + " does not have the SHA-256 " + sha256);
    }
    Files.write(in.resolve(Frames.moduleName(sha256)), wasm);
    modules.put(sha256, true);
    if (modules.size() > Limits.CHILD_MODULE_FILES) {
      Map.Entry<String, Boolean> eldest = modules.firstEntry();
      modules.remove(eldest.getKey());
      Folders.deleteQuietly(in.resolve(Frames.moduleName(eldest.getKey())));
    }
  }

  /// A hard link where the child sees its inputs read only, so that nothing is copied; else a copy,
  /// which the child may spoil.
  private void place(Path from, Path to) throws IOException {
    if (starter.isolates()) {
      Folders.place(from, to);
    } else {
      Files.copy(from, to);
    }
  }

  private void removeInputs(Run run) {
    long inline = 0;
    for (int k = 0; k < run.task.inputs().size(); k++) {
      boolean file =
          switch (run.task.inputs().get(k)) {
            case Input.File f -> true;
            case Input.Inline i -> {
              inline += i.size();
              yield inline > Limits.INLINE_TOTAL_BYTES;
            }
          };
      if (file) {
        Folders.deleteQuietly(in.resolve(Frames.inputName(run.key, k)));
      }
    }
  }

  private void take(Frames.Result result) throws IOException {
    Run run = owner.take(this, result.key());
    if (run == null) {
      throw new Frames.Garbage("an answer to a task that it does not have");
    }
    Execution execution;
    try {
      execution = believe(run, result);
    } catch (IOException e) {
      removeInputs(run);
      owner.finished(
          this,
          run,
          run.failed(Verdict.Kind.ENGINE_DIED, "the engine answered nonsense: " + e.getMessage()));
      throw e;
    }
    removeInputs(run);
    owner.finished(this, run, execution);
  }

  /// Checks an answer against what was asked.
  private Execution believe(Run run, Frames.Result r) throws IOException {
    RunLimits limits = run.task.limits();
    check(r.gas() >= Frames.NONE && r.gas() <= limits.gas(), "gas " + r.gas());
    check(r.cpuNs() >= Frames.NONE && r.wallNs() >= Frames.NONE, "a negative time");
    check(
        r.peakBytes() >= Frames.NONE && r.peakBytes() <= limits.memoryBytes(),
        "memory " + r.peakBytes());
    boolean done = r.kind() == null;
    check(r.outputs().size() == (done ? run.task.outputs() : 0), r.outputs().size() + " outputs");
    long total = 0;
    for (Frames.Part p : r.outputs()) {
      check(p.size() <= limits.outputBytes() - total, "outputs over the limit");
      total += p.size();
    }
    List<Output> outputs = new ArrayList<>(r.outputs().size());
    for (int k = 0; k < r.outputs().size(); k++) {
      Frames.Part p = r.outputs().get(k);
      byte[] bytes = p.bytes();
      outputs.add(
          bytes == null
              ? fetch(run.key, k, p.size())
              : new Output.Inline(bytes, sha256().digest(bytes)));
    }
    Verdict verdict =
        r.kind() == null ? new Verdict.Done() : new Verdict.Failed(r.kind(), r.message());
    Usage usage =
        new Usage(
            optional(r.gas()),
            optional(r.cpuNs()),
            optional(r.wallNs()),
            optional(r.peakBytes()),
            run.bytesIn(),
            total);
    return new Execution(
        run.task.runId(), verdict, outputs, usage, new String(r.log(), StandardCharsets.UTF_8));
  }

  private static void check(boolean holds, String what) throws Frames.Garbage {
    if (!holds) {
      throw new Frames.Garbage(what);
    }
  }

  private static OptionalLong optional(long value) {
    return value == Frames.NONE ? OptionalLong.empty() : OptionalLong.of(value);
  }

  /// Takes a large output. It is first moved out of the child's reach by name, then copied while it
  /// is hashed: the child may still hold the moved file open, the copy it never had.
  private Output fetch(long key, int index, long size) throws IOException {
    String name = Frames.outputName(key, index);
    Path moved = folder.resolve(name);
    Files.move(out.resolve(name), moved);
    BasicFileAttributes attributes =
        Files.readAttributes(moved, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    check(
        attributes.isRegularFile() && attributes.size() == size,
        "an output file that is not there");
    Path result = results.resolve(name);
    MessageDigest digest = sha256();
    try (InputStream from = Files.newInputStream(moved, LinkOption.NOFOLLOW_LINKS);
        OutputStream to =
            Files.newOutputStream(
                result, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      byte[] buffer = new byte[1 << 16];
      long left = size;
      while (left > 0) {
        int n = from.read(buffer, 0, (int) Math.min(buffer.length, left));
        check(n > 0, "an output file that shrank");
        digest.update(buffer, 0, n);
        to.write(buffer, 0, n);
        left -= n;
      }
    }
    Files.delete(moved);
    return new Output.File(result, size, digest.digest());
  }

  private static final ThreadLocal<MessageDigest> SHA256 =
      ThreadLocal.withInitial(() -> {
        try {
          return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
          throw new IllegalStateException(e);
        }
      });

  private static MessageDigest sha256() {
    MessageDigest d = SHA256.get();
    d.reset();
    return d;
  }
}
