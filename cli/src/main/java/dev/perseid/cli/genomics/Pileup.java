package dev.perseid.cli.genomics;

import dev.perseid.cli.genomics.Alignment.Mapped;
import dev.perseid.cli.genomics.Alignment.Run;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/// What the reads say about every base of a genome.
final class Pileup {
  private static final int MIN_MAPPING_QUALITY = 10;
  private static final int MIN_BASE_QUALITY = 13;
  private static final int MAX_INDEL_BASES = 32;
  private static final String BASES = "ACGT";

  private static final int MIN_DEPTH = 5;
  private static final int MIN_READS = 4;
  private static final int MIN_SNV_PERMILLE = 600;
  private static final int MIN_INDEL_PERMILLE = 500;

  /// An insertion of `bases`, or (no bases) a deletion of `deleted` bases, after a position.
  private record Indel(int deleted, String bases) {
    /// Deletions by length, then insertions by length and by bases.
    static final Comparator<Indel> ORDER =
        Comparator.<Indel>comparingInt(indel -> indel.bases.length())
            .thenComparingInt(Indel::deleted)
            .thenComparing(Indel::bases);
  }

  private final Genome genome;
  private final int[] depth;
  private final int[] spanning;
  private final int[] deleted;
  private final int[][] shown;
  private final List<SortedMap<Indel, Integer>> indels = new ArrayList<>();

  Pileup(Genome genome, List<Alignment> alignments) {
    this.genome = genome;
    depth = new int[genome.length()];
    spanning = new int[genome.length()];
    deleted = new int[genome.length()];
    shown = new int[genome.length()][BASES.length()];
    for (int at = 0; at < genome.length(); at++) {
      indels.add(new TreeMap<>(Indel.ORDER));
    }
    for (Alignment alignment : alignments) {
      if (alignment.mapping() instanceof Mapped mapped) {
        count(alignment, mapped);
      }
    }
  }

  private void count(Alignment alignment, Mapped mapped) {
    String bases = alignment.basesOnGenome();
    String qualities = alignment.qualitiesOnGenome();
    boolean trusted = mapped.quality() >= MIN_MAPPING_QUALITY;
    int at = mapped.position();
    int inRead = 0;
    for (Run run : mapped.cigar()) {
      switch (run.kind()) {
        case 'S' -> inRead += run.length();
        case 'M' -> {
          for (int i = 0; i < run.length(); i++, at++, inRead++) {
            depth[at]++;
            if (trusted) {
              spanning[at]++;
              int base = BASES.indexOf(bases.charAt(inRead));
              if (base >= 0 && qualities.charAt(inRead) - '!' >= MIN_BASE_QUALITY) {
                shown[at][base]++;
              }
            }
          }
        }
        case 'D' -> {
          if (trusted) {
            countIndel(at, new Indel(run.length(), ""));
            for (int i = 0; i < run.length(); i++) {
              spanning[at + i]++;
              deleted[at + i]++;
            }
          }
          at += run.length();
        }
        case 'I' -> {
          String inserted = bases.substring(inRead, inRead + run.length());
          if (trusted && inserted.indexOf('N') < 0) {
            countIndel(at, new Indel(0, inserted));
          }
          inRead += run.length();
        }
        default -> throw new IllegalStateException("no such CIGAR operation: " + run);
      }
    }
  }

  private void countIndel(int at, Indel indel) {
    if (at > 0 && indel.deleted() + indel.bases().length() <= MAX_INDEL_BASES) {
      indels.get(at - 1).merge(indel, 1, Integer::sum);
    }
  }

  /// Depth as BedGraph, one line for each stretch of equal depth.
  String bedGraph() {
    StringBuilder text = new StringBuilder();
    int start = 0;
    for (int at = 1; at <= depth.length; at++) {
      if (at == depth.length || depth[at] != depth[start]) {
        text.append(genome.name()).append('\t').append(start).append('\t').append(at);
        text.append('\t').append(depth[start]).append('\n');
        start = at;
      }
    }
    return text.toString();
  }

  /// Coverage of one window [start, end) of the genome.
  record Window(int start, int end, long meanHundredths, int least, int most, int covered) {}

  List<Window> windows(int windowBases) {
    List<Window> windows = new ArrayList<>();
    for (int start = 0; start < depth.length; start += windowBases) {
      int end = Math.min(start + windowBases, depth.length);
      long sum = 0;
      int least = Integer.MAX_VALUE;
      int most = 0;
      int covered = 0;
      for (int at = start; at < end; at++) {
        sum += depth[at];
        least = Math.min(least, depth[at]);
        most = Math.max(most, depth[at]);
        covered += depth[at] > 0 ? 1 : 0;
      }
      long mean = Fixed.ratio(sum * 100, end - start);
      windows.add(new Window(start, end, mean, least, most, covered));
    }
    return windows;
  }

  /// One called variant.
  ///
  /// @param position of the first base of `reference`, 0-based
  record Variant(
      int position, String reference, String variant, int depth, int referenceReads, int reads) {}

  List<Variant> variants() {
    List<Variant> variants = new ArrayList<>();
    for (int at = 0; at < genome.length(); at++) {
      addBaseVariant(at, variants);
      addIndelVariants(at, variants);
    }
    return variants;
  }

  private static boolean isCalled(int depth, int reads, int minPermille) {
    return depth >= MIN_DEPTH && reads >= MIN_READS && reads * 1000L >= (long) depth * minPermille;
  }

  private void addBaseVariant(int at, List<Variant> variants) {
    int reference = BASES.indexOf(genome.bases().charAt(at));
    if (reference < 0) {
      return;
    }
    int total = deleted[at];
    int most = -1;
    for (int base = 0; base < BASES.length(); base++) {
      total += shown[at][base];
      if (base != reference && (most < 0 || shown[at][base] > shown[at][most])) {
        most = base;
      }
    }
    if (isCalled(total, shown[at][most], MIN_SNV_PERMILLE)) {
      variants.add(
          new Variant(
              at,
              BASES.substring(reference, reference + 1),
              BASES.substring(most, most + 1),
              total,
              shown[at][reference],
              shown[at][most]));
    }
  }

  private void addIndelVariants(int at, List<Variant> variants) {
    String anchor = genome.bases().substring(at, at + 1);
    indels
        .get(at)
        .forEach((indel, reads) -> {
          if (isCalled(spanning[at], reads, MIN_INDEL_PERMILLE)) {
            variants.add(
                new Variant(
                    at,
                    genome.bases().substring(at, at + 1 + indel.deleted()),
                    anchor + indel.bases(),
                    spanning[at],
                    spanning[at] - reads,
                    reads));
          }
        });
  }
}
