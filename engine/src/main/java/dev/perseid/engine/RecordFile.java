package dev.perseid.engine;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Records that an engine has written (docs/engine.md). What a crash or a fault of the disk left is
/// read up to the first damage, which is told. Names, runs and graphs are in memory, 4 bytes a task
/// and an edge of each graph; the records are read from the file each time they are asked for.
public final class RecordFile {
  private interface Source {
    InputStream open() throws IOException;
  }

  /// The records of one frame, in columns.
  private static final class Block {
    int thread;
    long run;
    int size;
    final long[] id = new long[Limits.BLOCK_RECORDS];
    final long[] cause = new long[Limits.BLOCK_RECORDS];
    final long[] ready = new long[Limits.BLOCK_RECORDS];
    final long[] start = new long[Limits.BLOCK_RECORDS];
    final long[] end = new long[Limits.BLOCK_RECORDS];
    final int[] marks = new int[Limits.BLOCK_RECORDS];
    final long[] cpu = new long[Limits.BLOCK_RECORDS];
    final long[] bytes = new long[Limits.BLOCK_RECORDS];
    final long[] name = new long[Limits.BLOCK_RECORDS];
    final int[] cores = new int[Limits.BLOCK_RECORDS];

    void read(Frame in) throws Frame.MalformedFrame {
      thread = (int) in.number();
      run = in.number();
      int n = in.count(Limits.BLOCK_RECORDS, 5);
      size = n;
      long last = 0;
      for (int i = 0; i < n; i++) {
        last += in.signed();
        id[i] = last;
      }
      for (int i = 0; i < n; i++) {
        long c = in.number();
        cause[i] = c == 0 ? -1 : id[i] - (((c - 1) >>> 1) ^ -((c - 1) & 1));
      }
      for (int i = 0; i < n; i++) {
        start[i] = in.signed();
      }
      last = 0;
      for (int i = 0; i < n; i++) {
        start[i] += last;
        end[i] = start[i] + in.number();
        last = end[i];
      }
      for (int i = 0; i < n; i++) {
        ready[i] = start[i] - in.number();
      }
      for (int i = 0; i < n; ) {
        int same = in.count(n - i, 0);
        int mark = (int) in.number();
        if (same == 0 || !Marks.known(mark)) {
          throw new Frame.MalformedFrame("an outcome is unknown");
        }
        Arrays.fill(marks, i, i + same, mark);
        i += same;
      }
      for (int i = 0; i < n; i++) {
        int m = marks[i];
        cpu[i] = (m & (Marks.MEASURED | Marks.VIRTUAL)) != 0 ? in.number() : 0;
        bytes[i] = (m & Marks.MEASURED) != 0 ? in.number() : 0;
        name[i] = (m & Marks.NAMED) != 0 ? in.number() : 0;
        cores[i] = (m & Marks.CORES) != 0 ? in.count(Limits.WORKERS, 0) : -1;
      }
    }
  }

  /// A graph as far as its frames were read: they come in order.
  private static final class Shape {
    int tasks;
    final TreeMap<Integer, Long> nameFrom = new TreeMap<>();
    int[] past = new int[16]; // where a task's successors end
    int[] successors = new int[16];
    int edges;
  }

  private final Source source;
  private final Map<Integer, String> threads = new TreeMap<>();
  private final Map<Long, String> names = new HashMap<>();
  private final Map<Long, Shape> graphs = new HashMap<>();
  private final Map<Long, RunRecord> runs = new TreeMap<>();
  private final Block block = new Block();
  private long epochUs;
  private long count;
  private long lost;
  private boolean closed;
  private @Nullable String damage;
  private long wholeBytes;

  private RecordFile(Source source) {
    this.source = source;
  }

  /// Reads a file. O(its size).
  ///
  /// @throws RecordFailure if it cannot be read, or is no file of records at all
  public static RecordFile read(Path path) throws RecordFailure {
    return read(
        () -> new BufferedInputStream(Files.newInputStream(path), 1 << 16), path.toString());
  }

  static RecordFile read(Sink sink) throws RecordFailure {
    return read(sink::open, sink.where());
  }

  private static RecordFile read(Source source, String where) throws RecordFailure {
    RecordFile file = new RecordFile(source);
    try (DataInputStream in = new DataInputStream(source.open())) {
      file.head(where, in);
      file.frames(in);
    } catch (RecordFailure e) {
      throw e;
    } catch (IOException e) {
      throw new RecordFailure("cannot read the records in " + where + ": " + e, e);
    }
    return file;
  }

  private void head(String where, DataInputStream in) throws IOException {
    byte[] head = in.readNBytes(Recorder.HEAD_BYTES);
    ByteBuffer b = ByteBuffer.wrap(head);
    CRC32C crc = new CRC32C();
    if (head.length == Recorder.HEAD_BYTES) {
      crc.update(head, 0, Recorder.HEAD_BYTES - 4);
    }
    if (head.length < Recorder.HEAD_BYTES
        || b.getLong() != Recorder.MAGIC
        || b.getInt(Recorder.HEAD_BYTES - 4) != (int) crc.getValue()) {
      throw new RecordFailure(
          where + " is not a file of the engine's records, or its head is damaged");
    }
    int version = b.getInt();
    if (version != Recorder.VERSION) {
      throw new RecordFailure(
          where + " has version " + version + "; this reads version " + Recorder.VERSION);
    }
    b.getInt();
    epochUs = b.getLong();
    wholeBytes = Recorder.HEAD_BYTES;
  }

  private void frames(DataInputStream in) throws IOException {
    CRC32C crc = new CRC32C();
    while (true) {
      try {
        byte[] content = content(in, crc);
        if (content == null) {
          return;
        }
        frame(content[0], new Frame(content, 1, content.length));
        wholeBytes += 8 + content.length;
      } catch (EOFException e) {
        damage = "the last frame is cut off";
        return;
      } catch (Frame.MalformedFrame e) {
        damage = String.valueOf(e.getMessage());
        return;
      }
    }
  }

  /// The next frame from its type on; null at the end.
  private static byte @Nullable [] content(DataInputStream in, CRC32C crc)
      throws IOException, Frame.MalformedFrame {
    int first = in.read();
    if (first < 0) {
      return null;
    }
    int length = (first << 24) | (in.readUnsignedByte() << 16) | in.readUnsignedShort();
    if (length < 0 || length > Limits.FRAME_BYTES) {
      throw new Frame.MalformedFrame("a frame of " + length + " bytes");
    }
    byte[] content = in.readNBytes(length + 1);
    if (content.length < length + 1) {
      throw new EOFException();
    }
    int told = in.readInt();
    crc.reset();
    crc.update(content, 0, content.length);
    if (told != (int) crc.getValue()) {
      throw new Frame.MalformedFrame("a frame's checksum is wrong");
    }
    return content;
  }

  private void frame(int type, Frame in) throws Frame.MalformedFrame {
    switch (type) {
      case FrameType.THREAD -> threads.put((int) in.number(), in.text());
      case FrameType.NAME -> names.put(in.number(), in.text());
      case FrameType.GRAPH -> graph(in);
      case FrameType.RUN -> {
        long number = in.number();
        long graph = in.number();
        long start = in.signed();
        String name = in.text();
        String trace = in.text();
        long parentRun = in.number();
        long parentTask = in.number() - 1;
        runs.put(
            number,
            new RunRecord(
                number,
                graph,
                name,
                trace,
                some(parentRun == 0 ? -1 : parentRun),
                some(parentTask),
                start,
                OptionalLong.empty(),
                Optional.empty()));
      }
      case FrameType.RECORDS -> {
        block.read(in);
        count += block.size;
      }
      case FrameType.RUN_ENDED -> {
        long number = in.number();
        long end = in.signed();
        int outcome = in.count(15, 0);
        if (!Outcome.known(outcome)) {
          throw new Frame.MalformedFrame("an outcome is unknown");
        }
        RunRecord r = runs.get(number);
        if (r == null) {
          throw new Frame.MalformedFrame("a run ends that did not start");
        }
        runs.put(
            number,
            new RunRecord(
                number,
                r.graph(),
                r.name(),
                r.trace(),
                r.parentRun(),
                r.parentTask(),
                r.startNs(),
                OptionalLong.of(end),
                Optional.of(Outcome.of(outcome))));
      }
      case FrameType.LOST -> {
        in.number();
        lost += in.number();
      }
      case FrameType.CLOSED -> {
        long written = in.number();
        long gone = in.number();
        if (written != count || gone != lost) {
          throw new Frame.MalformedFrame("it should have " + written + " records");
        }
        closed = true;
      }
      default -> throw new Frame.MalformedFrame("frames of type " + type + " are unknown");
    }
    if (!in.ended()) {
      throw new Frame.MalformedFrame("a frame of type " + type + " is longer than it should be");
    }
  }

  private static OptionalLong some(long value) {
    return value < 0 ? OptionalLong.empty() : OptionalLong.of(value);
  }

  private void graph(Frame in) throws Frame.MalformedFrame {
    Shape graph = graphs.computeIfAbsent(in.number(), _ -> new Shape());
    int size = in.count(Limits.TASKS, 0);
    int from = in.count(size, 0);
    if (from != graph.tasks) {
      throw new Frame.MalformedFrame("a part of a graph is missing");
    }
    int part = in.count(Math.min(size - from, Limits.GRAPH_TASKS), 1);
    int named = from;
    for (int runs = in.count(part, 2); runs > 0; runs--) {
      int same = in.count(from + part - named, 0);
      graph.nameFrom.put(named, in.number());
      named += same;
    }
    if (named != from + part) {
      throw new Frame.MalformedFrame("some tasks of a graph have no name");
    }
    for (int i = from; i < from + part; i++) {
      int more = in.count(Limits.EDGES - graph.edges, 1);
      for (int e = 0; e < more; e++) {
        long to = i + in.signed();
        if (to < 0 || to >= size) {
          throw new Frame.MalformedFrame("a graph names a task that it has not");
        }
        if (graph.edges == graph.successors.length) {
          graph.successors = Arrays.copyOf(graph.successors, 2 * graph.edges);
        }
        graph.successors[graph.edges++] = (int) to;
      }
      if (i == graph.past.length) {
        graph.past = Arrays.copyOf(graph.past, 2 * i);
      }
      graph.past[i] = graph.edges;
    }
    graph.tasks = from + part;
  }

  // ---- queries

  /// How many records there are.
  public long count() {
    return count;
  }

  /// The records, each thread's in the order in which they ended. O(size of the file), read as the
  /// stream goes on. The file is open until the stream ends or is closed.
  ///
  /// @throws UncheckedIOException when the stream cannot read on
  public Stream<TaskRecord> records() {
    Reading reading = new Reading();
    return StreamSupport.stream(reading, false).onClose(reading::close);
  }

  /// The records of a run.
  public Stream<TaskRecord> records(long run) {
    return records().filter(r -> r.run() == run);
  }

  /// Goes through the file a second time, up to what was whole the first time.
  private final class Reading extends Spliterators.AbstractSpliterator<TaskRecord> {
    private final Block part = new Block();
    private final CRC32C crc = new CRC32C();
    private @Nullable DataInputStream in;
    private boolean over;
    private long at;
    private int next;

    Reading() {
      super(count, Spliterator.ORDERED | Spliterator.NONNULL | Spliterator.SIZED);
    }

    @Override
    public boolean tryAdvance(Consumer<? super TaskRecord> action) {
      try {
        while (next == part.size) {
          if (over || !more()) {
            close();
            return false;
          }
        }
      } catch (IOException e) {
        close();
        throw new UncheckedIOException(e);
      } catch (Frame.MalformedFrame e) {
        close();
        throw new UncheckedIOException(new IOException("the file has changed: " + e.getMessage()));
      }
      action.accept(record(part, next++));
      return true;
    }

    private boolean more() throws IOException, Frame.MalformedFrame {
      DataInputStream from = in;
      if (from == null) {
        from = new DataInputStream(source.open());
        in = from;
        from.skipNBytes(Recorder.HEAD_BYTES);
        at = Recorder.HEAD_BYTES;
      }
      while (at < wholeBytes) {
        byte[] content = content(from, crc);
        if (content == null) {
          throw new EOFException("the file has become shorter");
        }
        at += 8 + content.length;
        if (content[0] == FrameType.RECORDS) {
          part.read(new Frame(content, 1, content.length));
          next = 0;
          return true;
        }
      }
      return false;
    }

    void close() {
      over = true;
      DataInputStream open = in;
      if (open != null) {
        try {
          open.close();
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    }
  }

  private static OptionalLong when(boolean there, long value) {
    return there ? OptionalLong.of(value) : OptionalLong.empty();
  }

  private TaskRecord record(Block b, int i) {
    boolean virtual = (b.marks[i] & Marks.VIRTUAL) != 0;
    boolean measured = (b.marks[i] & Marks.MEASURED) != 0;
    return new TaskRecord(
        b.run,
        b.id[i],
        name(b, i),
        some(b.cause[i]),
        Marks.attempt(b.marks[i]),
        b.ready[i],
        b.start[i],
        b.end[i],
        b.thread,
        when(virtual, b.cpu[i]),
        when(measured && !virtual, b.cpu[i]),
        when(measured, b.bytes[i]),
        b.cores[i] < 0 ? OptionalInt.empty() : OptionalInt.of(b.cores[i]),
        Marks.outcome(b.marks[i]),
        (b.marks[i] & Marks.LATE) != 0);
  }

  private String name(Block b, int i) {
    long number = b.name[i];
    RunRecord run = runs.get(b.run);
    Shape g = run == null ? null : graphs.get(run.graph());
    if ((b.marks[i] & Marks.NAMED) == 0 && g != null) {
      Map.Entry<Integer, Long> from = g.nameFrom.floorEntry((int) b.id[i]);
      number = from == null ? 0 : from.getValue();
    }
    return names.getOrDefault(number, "?");
  }

  /// The runs, by number.
  public List<RunRecord> runs() {
    return List.copyOf(runs.values());
  }

  /// How many tasks the graph of a run has; those with higher numbers were forked.
  public long tasks(RunRecord run) {
    Shape graph = graphs.get(run.graph());
    return graph == null ? 0 : graph.tasks;
  }

  /// The tasks that waited for a task of a run's graph, by number.
  public List<Long> successors(RunRecord run, long task) {
    Shape graph = graphs.get(run.graph());
    if (graph == null || task < 0 || task >= graph.tasks) {
      return List.of();
    }
    List<Long> found = new ArrayList<>();
    for (int e = task == 0 ? 0 : graph.past[(int) task - 1]; e < graph.past[(int) task]; e++) {
      found.add((long) graph.successors[e]);
    }
    return found;
  }

  /// Names of the threads, by number.
  public Map<Integer, String> threads() {
    return Map.copyOf(threads);
  }

  /// The wall clock when the engine's clock was zero: microseconds since 1970 UTC.
  public long epochUs() {
    return epochUs;
  }

  /// How many records were dropped, by the user's choice.
  public long lost() {
    return lost;
  }

  /// Whether the file was closed in order, so that nothing is missing at its end.
  public boolean closed() {
    return closed;
  }

  /// What is wrong with the first frame that could not be read; all before it is here.
  public Optional<String> damage() {
    return Optional.ofNullable(damage);
  }

  /// Bytes that were read before the damage, or all of them.
  public long wholeBytes() {
    return wholeBytes;
  }
}
