package dev.perseid.cli.genomics;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// Makes reads of a genome in which variants were planted, so that the truth is known: which
/// variants there are, and, from its name, where each read comes from. The same genome, seed and
/// number of reads give the same bytes everywhere (`java.util.Random` and `StrictMath` are
/// specified exactly).
///
/// The planted genome has a single-base change or a short insertion or deletion about every 800
/// bases, indels as far left as they can be moved. Reads have 100 to 150 bases, come from both
/// strands alike, and have qualities between 2 and 40 that fall towards the end; a base of quality
/// q is wrong with probability 10^(-q/10), and one base in 5,000 is skipped or doubled.
public final class ReadSimulator {
  private static final int VARIANT_SPACING = 800;
  private static final int EDGE_BASES = 300;
  private static final int INDEL_PERCENT = 30;
  private static final int MAX_INDEL_BASES = 4;
  private static final int MIN_READ_BASES = 100;
  private static final int MAX_READ_BASES = 150;
  private static final int SLIP_RATE = 5_000;
  private static final int MIN_QUALITY = 2;
  private static final int MAX_QUALITY = 40;
  private static final String BASES = "ACGT";

  /// One planted variant, as VCF would say it.
  ///
  /// @param position of the first base of `reference`, 1-based
  /// @param reference the genome's bases
  /// @param variant the bases that stand there instead
  public record Planted(int position, String reference, String variant) {}

  /// What the simulation made.
  ///
  /// @param fastq the reads; a read named `sim7_1234_r` is read 7, from the genome's position 1234
  ///   (1-based, of the first base in the direction of the genome) and reversed (`f`: forward)
  /// @param variants the planted variants, ascending
  public record Simulation(String fastq, List<Planted> variants) {}

  private final Genome genome;
  private final Random random;
  private final List<Planted> variants = new ArrayList<>();

  /// The planted genome and, for each of its bases, the 0-based position in the genome.
  private final StringBuilder planted = new StringBuilder();

  private final List<Integer> origins = new ArrayList<>();

  private ReadSimulator(Genome genome, long seed) {
    this.genome = genome;
    this.random = new Random(seed);
  }

  /// Makes `reads` reads. The time is linear in the genome and the reads.
  ///
  /// @throws IllegalArgumentException if the genome has fewer than 1,000 bases
  public static Simulation simulate(Genome genome, long seed, int reads) {
    if (genome.length() < 1_000) {
      throw new IllegalArgumentException("simulated reads need a genome of at least 1000 bases");
    }
    ReadSimulator simulator = new ReadSimulator(genome, seed);
    simulator.plant();
    StringBuilder fastq = new StringBuilder();
    for (int read = 1; read <= reads; read++) {
      simulator.addRead(read, fastq);
    }
    return new Simulation(fastq.toString(), List.copyOf(simulator.variants));
  }

  private void plant() {
    int done = 0;
    int at = EDGE_BASES + random.nextInt(VARIANT_SPACING);
    while (at < genome.length() - EDGE_BASES) {
      Planted variant = variantNear(at, done);
      int start = variant.position() - 1;
      copyGenome(done, start);
      for (int i = 0; i < variant.variant().length(); i++) {
        planted.append(variant.variant().charAt(i));
        origins.add(start + Math.min(i, variant.reference().length() - 1));
      }
      done = start + variant.reference().length();
      variants.add(variant);
      at += VARIANT_SPACING / 2 + random.nextInt(VARIANT_SPACING);
    }
    copyGenome(done, genome.length());
  }

  private void copyGenome(int start, int end) {
    planted.append(genome.bases(), start, end);
    for (int at = start; at < end; at++) {
      origins.add(at);
    }
  }

  /// A variant at `at`, or left of it but after the first `done` bases.
  private Planted variantNear(int at, int done) {
    if (random.nextInt(100) >= INDEL_PERCENT) {
      String reference = genome.bases().substring(at, at + 1);
      return new Planted(at + 1, reference, otherBase(reference));
    }
    int length = 1 + random.nextInt(MAX_INDEL_BASES);
    boolean deletes = random.nextBoolean();
    StringBuilder moved = new StringBuilder();
    if (deletes) {
      moved.append(genome.bases(), at, at + length);
    } else {
      for (int i = 0; i < length; i++) {
        moved.append(BASES.charAt(random.nextInt(BASES.length())));
      }
    }
    // The same change can be said of several places in a repeat; VCF wants the leftmost.
    int before = at - 1;
    while (before > done && moved.charAt(length - 1) == genome.bases().charAt(before)) {
      moved.insert(0, moved.charAt(length - 1)).setLength(length);
      before--;
    }
    String anchor = genome.bases().substring(before, before + 1);
    return deletes
        ? new Planted(before + 1, anchor + moved, anchor)
        : new Planted(before + 1, anchor, anchor + moved);
  }

  private String otherBase(String base) {
    String others = BASES.replace(base, "");
    int choice = random.nextInt(others.length());
    return others.substring(choice, choice + 1);
  }

  private void addRead(int serial, StringBuilder fastq) {
    int wanted = MIN_READ_BASES + random.nextInt(MAX_READ_BASES - MIN_READ_BASES + 1);
    int start = random.nextInt(planted.length() - wanted + 1);
    boolean reversed = random.nextBoolean();
    String source = planted.substring(start, start + wanted);
    if (reversed) {
      source = Genome.reverseComplement(source);
    }
    StringBuilder bases = new StringBuilder();
    StringBuilder qualities = new StringBuilder();
    for (int i = 0; i < source.length(); i++) {
      int slip = random.nextInt(SLIP_RATE);
      int copies = slip == 0 ? 0 : slip == 1 ? 2 : 1;
      for (int copy = 0; copy < copies; copy++) {
        int quality = quality(i, source.length());
        String base = source.substring(i, i + 1);
        boolean wrong = random.nextDouble() < StrictMath.pow(10, -quality / 10.0);
        bases.append(wrong ? otherBase(base) : base);
        qualities.append((char) ('!' + quality));
      }
    }
    fastq.append("@sim").append(serial).append('_').append(origins.get(start) + 1);
    fastq.append(reversed ? "_r\n" : "_f\n").append(bases);
    fastq.append("\n+\n").append(qualities).append('\n');
  }

  private int quality(int at, int length) {
    int fall = 12 * at / length;
    int drawn = MAX_QUALITY - random.nextInt(8) - random.nextInt(1 + fall);
    if (random.nextInt(100) == 0) {
      drawn -= random.nextInt(30);
    }
    return Math.clamp(drawn, MIN_QUALITY, MAX_QUALITY);
  }
}
