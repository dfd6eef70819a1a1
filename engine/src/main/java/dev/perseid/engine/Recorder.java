package dev.perseid.engine;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Takes records out of the rings and writes them to a file in blocks of columns (docs/engine.md).
/// One thread of its own does that; a thread whose ring is full does it too, so that nothing is
/// lost and nobody waits for a sleeper.
final class Recorder implements AutoCloseable {
  static final long MAGIC = 0x5045525345494452L; // PERSEIDR
  static final int VERSION = 1;
  static final int HEAD_BYTES = 32;

  /// Something to be written that is not a record.
  private interface Note {
    void write(Recorder recorder) throws IOException;
  }

  private final Sink sink;
  private final Runnable whenBroken;
  private final boolean lossless;
  private final int ringRecords;
  private final ReentrantLock drains = new ReentrantLock();
  private final List<RecordRing> rings = new ArrayList<>(); // guarded by itself
  private final ConcurrentLinkedQueue<Note> before = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Note> after = new ConcurrentLinkedQueue<>();
  private final ConcurrentHashMap<String, Integer> names = new ConcurrentHashMap<>();
  private final AtomicInteger lastName = new AtomicInteger();
  private final Bytes frame = new Bytes();
  private final byte[] out = new byte[Limits.WRITE_BYTES];
  private int outSize;
  private final CRC32C crc = new CRC32C();
  private final Thread drain;
  private volatile boolean resting;
  private volatile boolean closing;
  private volatile @Nullable Throwable broken;
  private long written;
  private boolean closed;

  /// @param whenBroken called once, by whichever thread could not write, if nothing can be written
  ///   any more
  Recorder(Sink sink, boolean lossless, int ringRecords, long epochUs, Runnable whenBroken) {
    this.sink = sink;
    this.whenBroken = whenBroken;
    this.lossless = lossless;
    this.ringRecords = ringRecords;
    ByteBuffer head = ByteBuffer.allocate(HEAD_BYTES);
    head.putLong(MAGIC).putInt(VERSION).putInt(0).putLong(epochUs).putInt(0);
    crc.update(head.array(), 0, HEAD_BYTES - 4);
    head.putInt((int) crc.getValue());
    System.arraycopy(head.array(), 0, out, 0, HEAD_BYTES);
    outSize = HEAD_BYTES;
    this.drain = Thread.ofPlatform().name("perseid-records").daemon(true).unstarted(this::loop);
    drain.start();
  }

  /// A ring for a thread's records.
  RecordRing ring(int thread, String name) {
    before.add(r -> {
      r.begin(FrameType.THREAD);
      r.frame.number(thread);
      r.frame.text(name);
      r.end();
    });
    RecordRing ring = new RecordRing(thread, ringRecords);
    synchronized (rings) {
      rings.add(ring);
    }
    return ring;
  }

  /// The number of a name, which is written before any record that is published after this call.
  int name(String name) {
    Integer known = names.get(name);
    if (known != null) {
      return known;
    }
    if (names.size() >= Limits.NAMES) {
      names.clear(); // they are written again, under new numbers
    }
    return names.computeIfAbsent(
        name,
        text -> {
          int number = lastName.incrementAndGet();
          before.add(r -> {
            r.begin(FrameType.NAME);
            r.frame.number(number);
            r.frame.text(text);
            r.end();
          });
          return number;
        });
  }

  /// Writes a run's beginning before its records.
  void runStarted(Run run) {
    before.add(r -> {
      Graph graph = run.graph;
      if (!graph.writtenTo(this)) {
        r.graph(graph);
      }
      r.begin(FrameType.RUN);
      r.frame.number(run.number);
      r.frame.number(graph.number);
      r.frame.signed(run.startedNs);
      r.frame.text(graph.name);
      r.frame.text(run.trace);
      r.frame.number(run.parentRun);
      r.frame.number(run.parentTask + 1);
      r.end();
    });
  }

  /// Writes a run's end after its records, all of which are in the rings.
  void runEnded(Run run, long endNs, Outcome outcome) {
    after.add(r -> {
      r.begin(FrameType.RUN_ENDED);
      r.frame.number(run.number);
      r.frame.signed(endNs);
      r.frame.number(outcome.code);
      r.end();
    });
    wake();
  }

  private void graph(Graph graph) throws IOException {
    int n = graph.size();
    for (int from = 0; from < n; from += Limits.GRAPH_TASKS) {
      int to = Math.min(n, from + Limits.GRAPH_TASKS);
      // Names first: each is a frame of its own.
      List<long[]> runs = new ArrayList<>(); // how many, which name
      String last = "";
      for (int i = from; i < to; i++) {
        String name = graph.names[i];
        if (i > from && name.equals(last)) {
          runs.getLast()[0]++;
        } else {
          runs.add(new long[] {1, graphName(name)});
          last = name;
        }
      }
      begin(FrameType.GRAPH);
      frame.number(graph.number);
      frame.number(n);
      frame.number(from);
      frame.number(to - from);
      frame.number(runs.size());
      for (long[] run : runs) {
        frame.number(run[0]);
        frame.number(run[1]);
      }
      for (int i = from; i < to; i++) {
        int first = graph.offsets.length == 0 ? 0 : graph.offsets[i];
        int past = graph.offsets.length == 0 ? 0 : graph.offsets[i + 1];
        frame.number(past - first);
        for (int e = first; e < past; e++) {
          frame.signed((long) graph.targets[e] - i);
        }
      }
      end();
    }
  }

  /// The number of a name, written now if it is new. A name that somebody else noted a moment ago
  /// follows at the end of this drain.
  private int graphName(String name) throws IOException {
    Integer known = names.get(name);
    if (known != null) {
      return known;
    }
    int number = lastName.incrementAndGet();
    if (names.size() < Limits.NAMES) {
      names.putIfAbsent(name, number);
    }
    begin(FrameType.NAME);
    frame.number(number);
    frame.text(name);
    end();
    return number;
  }

  // ---- writing: only under the lock

  private int frameAt;

  private void begin(int type) {
    frameAt = 0;
    frame.size = 0;
    frame.fixed4(0);
    frame.octet(type);
  }

  private void end() throws IOException {
    frame.set4(frameAt, frame.size - 5);
    crc.reset();
    crc.update(frame.array, 4, frame.size - 4);
    frame.fixed4((int) crc.getValue());
    put(frame.array, frame.size);
  }

  private void put(byte[] array, int size) throws IOException {
    int at = 0;
    while (at < size) {
      if (outSize == out.length) {
        flush();
      }
      int part = Math.min(out.length - outSize, size - at);
      System.arraycopy(array, at, out, outSize, part);
      outSize += part;
      at += part;
    }
  }

  private void flush() throws IOException {
    if (outSize > 0) {
      sink.write(out, outSize);
      outSize = 0;
    }
  }

  /// Takes everything out of all rings; returns whether there was anything.
  private boolean drainAll() throws IOException {
    // Ends first: all records of these runs are in the rings already.
    List<Note> ends = new ArrayList<>();
    Note note;
    while ((note = after.poll()) != null) {
      ends.add(note);
    }
    RecordRing[] all;
    synchronized (rings) {
      all = rings.toArray(new RecordRing[0]);
    }
    boolean any = !ends.isEmpty();
    for (RecordRing ring : all) {
      long to = ring.written();
      // What a record refers to was noted before it was published.
      while ((note = before.poll()) != null) {
        note.write(this);
        any = true;
      }
      long from = ring.read();
      while (from < to) {
        long until = block(ring, from, Math.min(to, from + Limits.BLOCK_RECORDS));
        written += until - from;
        from = until;
        ring.free(from);
        any = true;
      }
      long lost = ring.lost();
      if (lost != ring.lostTold) {
        begin(FrameType.LOST);
        frame.number(ring.thread);
        frame.number(lost - ring.lostTold);
        end();
        ring.lostTold = lost;
      }
    }
    while ((note = before.poll()) != null) {
      note.write(this);
      any = true;
    }
    for (Note end : ends) {
      end.write(this);
    }
    return any;
  }

  /// Writes records of one run as one block; returns up to where.
  private long block(RecordRing ring, long from, long most) throws IOException {
    long[] w = ring.words;
    int mask = ring.mask;
    long run = w[((int) from & mask) * RecordRing.WORDS + RecordRing.MARKS] >>> 32;
    long to = from + 1;
    while (to < most && w[((int) to & mask) * RecordRing.WORDS + RecordRing.MARKS] >>> 32 == run) {
      to++;
    }
    begin(FrameType.RECORDS);
    Bytes f = frame;
    f.number(ring.thread);
    f.number(run);
    f.number(to - from);
    long last = 0;
    for (long i = from; i < to; i++) {
      long id = w[((int) i & mask) * RecordRing.WORDS + RecordRing.ID];
      f.signed(id - last);
      last = id;
    }
    for (long i = from; i < to; i++) {
      int at = ((int) i & mask) * RecordRing.WORDS;
      long cause = w[at + RecordRing.CAUSE];
      long back = w[at + RecordRing.ID] - cause;
      f.number(cause < 0 ? 0 : ((back << 1) ^ (back >> 63)) + 1);
    }
    last = 0;
    for (long i = from; i < to; i++) {
      int at = ((int) i & mask) * RecordRing.WORDS;
      f.signed(w[at + RecordRing.START] - last);
      last = w[at + RecordRing.END];
    }
    for (long i = from; i < to; i++) {
      int at = ((int) i & mask) * RecordRing.WORDS;
      f.number(w[at + RecordRing.END] - w[at + RecordRing.START]);
    }
    for (long i = from; i < to; i++) {
      int at = ((int) i & mask) * RecordRing.WORDS;
      f.number(w[at + RecordRing.START] - w[at + RecordRing.READY]);
    }
    int all = 0;
    for (long i = from; i < to; ) {
      int marks = (int) w[((int) i & mask) * RecordRing.WORDS + RecordRing.MARKS];
      long same = i + 1;
      while (same < to
          && (int) w[((int) same & mask) * RecordRing.WORDS + RecordRing.MARKS] == marks) {
        same++;
      }
      f.number(same - i);
      f.number(marks & 0xffffffffL);
      all |= marks;
      i = same;
    }
    if ((all & (Marks.MEASURED | Marks.VIRTUAL | Marks.NAMED | Marks.CORES)) != 0) {
      for (long i = from; i < to; i++) {
        int at = ((int) i & mask) * RecordRing.WORDS;
        int marks = (int) w[at + RecordRing.MARKS];
        if ((marks & Marks.MEASURED) != 0) {
          f.number(w[at + RecordRing.CPU]);
        } else if ((marks & Marks.VIRTUAL) != 0) {
          f.number(w[at + RecordRing.CPU] & RecordRing.THREAD);
        }
        if ((marks & Marks.MEASURED) != 0) {
          f.number(w[at + RecordRing.BYTES]);
        }
        if ((marks & Marks.NAMED) != 0) {
          f.number(w[at + RecordRing.BYTES]);
        }
        if ((marks & Marks.CORES) != 0) {
          f.number(w[at + RecordRing.CPU] >>> RecordRing.CORES_SHIFT);
        }
      }
    }
    end();
    return to;
  }

  private void loop() {
    while (!closing) {
      boolean any = false;
      if (broken == null && drains.tryLock()) {
        try {
          any = drainAll();
        } catch (Throwable e) {
          breakOff(e);
        } finally {
          drains.unlock();
        }
      }
      if (!any) {
        resting = true;
        LockSupport.parkNanos(this, Limits.DRAIN_REST_NS);
        resting = false;
      }
    }
  }

  /// Calls the drain; cheap when it is awake.
  void wake() {
    if (resting) {
      LockSupport.unpark(drain);
    }
  }

  /// Puts a record into a ring; waits for room, or counts it as lost, if the ring is full. The
  /// ring's thread's.
  ///
  /// @return whether the drain should be called, or it had to wait
  boolean put(
      RecordRing ring,
      long run,
      long id,
      long cause,
      long readyNs,
      long startNs,
      long endNs,
      int marks,
      long cpuNs,
      long bytes) {
    int at;
    boolean waited = false;
    while ((at = ring.claim()) < 0) {
      if (!makeRoom()) {
        ring.lose();
        return false;
      }
      waited = true;
    }
    long[] w = ring.words;
    w[at + RecordRing.ID] = id;
    w[at + RecordRing.CAUSE] = cause;
    w[at + RecordRing.READY] = readyNs;
    w[at + RecordRing.START] = startNs;
    w[at + RecordRing.END] = endNs;
    w[at + RecordRing.MARKS] = (run << 32) | marks;
    w[at + RecordRing.CPU] = cpuNs;
    w[at + RecordRing.BYTES] = bytes;
    return ring.publish() || waited;
  }

  /// Waits for room in a full ring, draining if nobody does.
  ///
  /// @return whether there is room now or may be soon; false if the record is to be counted as lost
  boolean makeRoom() {
    if (broken != null || !lossless) {
      wake();
      return false;
    }
    if (drains.tryLock()) {
      try {
        if (broken == null) {
          drainAll();
        }
      } catch (Throwable e) {
        breakOff(e);
      } finally {
        drains.unlock();
      }
    } else {
      LockSupport.parkNanos(this, Limits.ROOM_REST_NS);
    }
    return true;
  }

  /// Nothing is written any more: half a frame may be there. Under the lock.
  private void breakOff(Throwable why) {
    if (broken == null) {
      broken = why;
      whenBroken.run();
    }
  }

  /// Whether records that nobody has agreed to lose cannot be written.
  boolean losing() {
    return lossless && broken != null;
  }

  /// Why nothing can be written any more, or null.
  @Nullable RecordFailure failure() {
    Throwable why = broken;
    return why == null ? null : unwritable(why);
  }

  /// Writes everything that was published before this call, and makes sure that it survives a loss
  /// of power if `durable`.
  void sync(boolean durable) throws RecordFailure {
    drains.lock();
    try {
      if (broken != null) {
        throw unwritable(broken);
      }
      if (closed) {
        return;
      }
      try {
        drainAll();
        flush();
        if (durable) {
          sink.sync();
        }
      } catch (Throwable e) {
        breakOff(e);
        throw unwritable(e);
      }
    } finally {
      drains.unlock();
    }
  }

  private RecordFailure unwritable(Throwable e) {
    return new RecordFailure(
        "cannot write the records to "
            + sink.where()
            + ": "
            + (e instanceof IOException ? e.getMessage() : e.toString())
            + "; "
            + sink.remedy(),
        e);
  }

  Sink sink() {
    return sink;
  }

  @Override
  public void close() throws RecordFailure {
    closing = true;
    LockSupport.unpark(drain);
    drains.lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
      try {
        if (broken != null) {
          throw unwritable(broken);
        }
        drainAll();
        long lost = 0;
        synchronized (rings) {
          for (RecordRing ring : rings) {
            lost += ring.lost();
          }
        }
        begin(FrameType.CLOSED);
        frame.number(written);
        frame.number(lost);
        end();
        flush();
        sink.sync();
      } finally {
        sink.close();
      }
    } catch (RecordFailure e) {
      throw e;
    } catch (IOException e) {
      breakOff(e);
      throw unwritable(e);
    } finally {
      drains.unlock();
    }
  }
}
