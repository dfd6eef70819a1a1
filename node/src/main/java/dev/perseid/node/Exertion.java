package dev.perseid.node;

import dev.perseid.core.Limits;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;

/// The work by which hardware is measured: how a provider does it, and how its pool checks a small
/// part of it. docs/capability.md has it to the bit, so that others can do it too.
///
/// *Cores*: each lane makes links. A link is [#CHAINS] chains of xorshift64* (Vigna 2016) side by
/// side: enough to keep all units of a core busy, so that nothing is gained by doing the work of
/// several lanes on one. The digest of a link is the start of the next; to check one link takes the
/// time of one link.
///
/// *Memory*: chunks are filled with steps that read what was written not long before, so that a
/// word cannot be had without most of its chunk. Then a way is walked over all chunks, each step of
/// which reads a word that the one before chooses. Who does not have the chunks any more must fill
/// one anew for each step. To check it takes the time to fill some chunks.
final class Exertion {
  /// Chains of one link.
  static final int CHAINS = 32;

  /// Steps of each of them.
  private static final int CHAIN_STEPS = 1 << 18;

  /// Steps of one link.
  static final int LINK_STEPS = CHAINS * CHAIN_STEPS;

  /// Steps of the way for each chunk.
  static final int WALKS_PER_CHUNK = Limits.WALKS_PER_CHUNK;

  /// How far back a step in a chunk reads at most, in words: half a mebibyte, which most processors
  /// hold near.
  private static final int WINDOW_WORDS = 1 << 16;

  private static final int TURN = 23;
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private Exertion() {}

  /// Does the work on as many threads as there are lanes, and waits for them.
  ///
  /// @param mayGrow whether so much more memory may be taken; asked before each chunk
  /// @throws InterruptedException if the thread was interrupted: the lanes end soon after
  static ProbeAnswer exert(Probe probe, Room mayGrow) throws InterruptedException {
    return probe.part().isMemory() ? memory(probe, mayGrow) : cores(probe);
  }

  /// Whether there is room in the machine's memory.
  interface Room {
    /// Whether so many bytes more may be taken.
    boolean has(long bytes);
  }

  private static ProbeAnswer cores(Probe probe) throws InterruptedException {
    long[][] ends = new long[probe.lanes()][probe.length()];
    AtomicInteger next = new AtomicInteger();
    onLanes(
        probe.lanes(),
        stopped -> {
          int lane = next.getAndIncrement();
          long x = start(probe.seed(), lane);
          for (int i = 0; i < probe.length() && !stopped.getAsBoolean(); i++) {
            x = link(x);
            ends[lane][i] = x;
          }
        });
    List<Long> digests = new ArrayList<>(probe.lanes() * probe.length());
    for (long[] lane : ends) {
      for (long end : lane) {
        digests.add(end);
      }
    }
    return new ProbeAnswer(probe.id(), probe.part(), digests, List.of());
  }

  private static ProbeAnswer memory(Probe probe, Room mayGrow) throws InterruptedException {
    int words = probe.chunkWords();
    long bytes = 8L * words;
    MemorySegment[] chunks = new MemorySegment[probe.length()];
    long[] ends = new long[probe.length()];
    AtomicInteger next = new AtomicInteger();
    Object taking = new Object();
    try (Arena arena = Arena.ofShared()) {
      onLanes(
          probe.lanes(),
          stopped -> {
            while (!stopped.getAsBoolean()) {
              int chunk;
              synchronized (taking) {
                chunk = next.get();
                if (chunk == chunks.length || !mayGrow.has(bytes)) {
                  return;
                }
                try {
                  chunks[chunk] = arena.allocate(bytes, 64);
                } catch (OutOfMemoryError e) {
                  // There is no more: what there is is shown.
                  return;
                }
                next.set(chunk + 1);
              }
              ends[chunk] = fill(chunks[chunk], words, start(probe.seed(), chunk));
            }
          });
      List<Long> digests = new ArrayList<>();
      for (int c = 0; c < next.get(); c++) {
        digests.add(ends[c]);
      }
      List<Long> walk = new ArrayList<>(digests.size() * WALKS_PER_CHUNK);
      Way way = new Way(probe.seed(), digests, words);
      for (int k = 0; k < digests.size() * WALKS_PER_CHUNK; k++) {
        long value = chunks[way.chunk()].getAtIndex(ValueLayout.JAVA_LONG, way.word());
        walk.add(value);
        way.step(value);
      }
      return new ProbeAnswer(probe.id(), probe.part(), digests, walk);
    }
  }

  private interface Lane {
    void run(BooleanSupplier stopped);
  }

  private static void onLanes(int lanes, Lane lane) throws InterruptedException {
    List<Thread> threads = new ArrayList<>(lanes);
    boolean done = false;
    try {
      for (int i = 0; i < lanes; i++) {
        threads.add(
            Thread.ofPlatform()
                .name("probe-" + i)
                .daemon()
                .start(() -> lane.run(Thread.currentThread()::isInterrupted)));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      done = true;
    } finally {
      if (!done) {
        threads.forEach(Thread::interrupt);
        // What they write to is freed only when they have ended.
        threads.forEach(Exertion::joinAnyway);
      }
    }
  }

  private static void joinAnyway(Thread thread) {
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /// The way through the memory.
  private static final class Way {
    private final int chunks;
    private final int words;
    private long at;
    private int taken;

    Way(long seed, List<Long> digests, int words) {
      this.chunks = digests.size();
      this.words = words;
      at = start(seed, -1);
      for (long digest : digests) {
        at = Exertion.step(at ^ digest, 0);
      }
    }

    int chunk() {
      return (int) (((at >>> 32) * chunks) >>> 32);
    }

    int word() {
      return (int) at & (words - 1);
    }

    void step(long value) {
      at = Exertion.step(at ^ value, ++taken);
    }
  }

  /// Fills a chunk; the last word is its digest.
  private static long fill(MemorySegment chunk, int words, long start) {
    long x = start;
    for (int i = 0; i < words; i++) {
      if (i > 0) {
        long back = ((x >>> 32) * Math.min(i, WINDOW_WORDS)) >>> 32;
        // Turned, because the word just before is x itself.
        x += Long.rotateLeft(chunk.getAtIndex(ValueLayout.JAVA_LONG, i - 1 - back), TURN);
      }
      x = step(x, i);
      chunk.setAtIndex(ValueLayout.JAVA_LONG, i, x);
    }
    return x;
  }

  private static long link(long from) {
    long[] chains = new long[CHAINS];
    for (int c = 0; c < CHAINS; c++) {
      chains[c] = start(from, c);
    }
    for (int i = 0; i < CHAIN_STEPS; i++) {
      for (int c = 0; c < CHAINS; c++) {
        chains[c] = step(chains[c], i);
      }
    }
    long digest = 0;
    for (int c = 0; c < CHAINS; c++) {
      digest = step(digest ^ chains[c], c);
    }
    return digest;
  }

  /// A step of xorshift64*.
  static long step(long from, int i) {
    long x = from;
    x ^= x >>> 12;
    x ^= x << 25;
    x ^= x >>> 27;
    return x * 0x2545F4914F6CDD1DL + i;
  }

  /// Where a lane or a chunk begins (SplitMix64: Steele, Lea, Flood 2014).
  private static long start(long seed, int number) {
    long z = seed + (number + 2) * GOLDEN;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /// Checks some of an answer, drawn at random.
  ///
  /// @param samples how many links or chunks are done again
  /// @return what is wrong with it; empty if nothing was found
  static String wrong(Probe probe, ProbeAnswer answer, int samples, RandomGenerator random) {
    return switch (probe.part()) {
      case ONE_CORE, ALL_CORES -> wrongCores(probe, answer, samples, random);
      case ONE_GPU, ALL_GPUS -> wrongLanes(probe, answer, samples, random);
      case MEMORY, GPU_MEMORY -> wrongMemory(probe, answer, samples, random);
    };
  }

  private static String wrongLanes(
      Probe probe, ProbeAnswer answer, int samples, RandomGenerator random) {
    List<Long> digests = answer.digests();
    if (digests.size() != probe.lanes() || !answer.walk().isEmpty()) {
      return "it answered with "
          + digests.size()
          + " lanes where "
          + probe.lanes()
          + " were asked for";
    }
    for (int s = 0; s < samples; s++) {
      int lane = random.nextInt(probe.lanes());
      long x = start(probe.seed(), lane);
      for (int i = 0; i < probe.length(); i++) {
        x = link(x);
      }
      if (x != digests.get(lane)) {
        return "lane " + lane + " is not what comes of the work";
      }
    }
    return "";
  }

  private static String wrongCores(
      Probe probe, ProbeAnswer answer, int samples, RandomGenerator random) {
    List<Long> digests = answer.digests();
    int wanted = probe.lanes() * probe.length();
    if (digests.size() != wanted || !answer.walk().isEmpty()) {
      return "it answered with " + digests.size() + " links where " + wanted + " were asked for";
    }
    for (int s = 0; s < samples; s++) {
      int lane = random.nextInt(probe.lanes());
      int i = random.nextInt(probe.length());
      int at = lane * probe.length() + i;
      long from = i == 0 ? start(probe.seed(), lane) : digests.get(at - 1);
      if (link(from) != digests.get(at)) {
        return "link " + i + " of lane " + lane + " is not what comes of the work";
      }
    }
    return "";
  }

  private static String wrongMemory(
      Probe probe, ProbeAnswer answer, int samples, RandomGenerator random) {
    List<Long> digests = answer.digests();
    int chunks = digests.size();
    if (chunks > probe.length() || answer.walk().size() != chunks * WALKS_PER_CHUNK) {
      return "it answered with "
          + chunks
          + " chunks and "
          + answer.walk().size()
          + " steps where "
          + probe.length()
          + " chunks were asked for, and "
          + WALKS_PER_CHUNK
          + " steps for each";
    }
    for (int s = 0; s < Math.min(samples, chunks); s++) {
      String wrong = wrongChunk(probe, answer, random.nextInt(chunks));
      if (!wrong.isEmpty()) {
        return wrong;
      }
    }
    return "";
  }

  private static String wrongChunk(Probe probe, ProbeAnswer answer, int chunk) {
    int words = probe.chunkWords();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment filled = arena.allocate(8L * words, 64);
      if (fill(filled, words, start(probe.seed(), chunk)) != answer.digests().get(chunk)) {
        return "chunk " + chunk + " of the memory is not what comes of the work";
      }
      Way way = new Way(probe.seed(), answer.digests(), words);
      for (long value : answer.walk()) {
        if (way.chunk() == chunk && filled.getAtIndex(ValueLayout.JAVA_LONG, way.word()) != value) {
          return "word " + way.word() + " of chunk " + chunk + " was not read from the memory";
        }
        way.step(value);
      }
    }
    return "";
  }
}
