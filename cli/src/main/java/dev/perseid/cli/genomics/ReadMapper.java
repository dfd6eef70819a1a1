package dev.perseid.cli.genomics;

import dev.perseid.cli.genomics.Alignment.Mapped;
import dev.perseid.cli.genomics.Alignment.Mapping;
import dev.perseid.cli.genomics.Alignment.Run;
import dev.perseid.cli.genomics.Alignment.Unmapped;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Maps reads to a genome: k-mer seeds vote for diagonals on both strands, the diagonals with the
/// most votes are aligned by Smith-Waterman (1981) with Gotoh's affine gaps (1982). Written for
/// clarity: three full matrices for each alignment. The rules, ties included, are in
/// `examples/genomics/README.md`.
final class ReadMapper {
  private static final int SEED_BASES = 9;
  private static final int MAX_SEED_HITS = 64;
  private static final int BIN_DIAGONALS = 16;
  private static final int MAX_READ_BASES = 512;
  private static final int MAX_CANDIDATES = 4;
  private static final int MARGIN_BASES = 24;

  private static final int MATCH = 2;
  private static final int MISMATCH = -3;
  private static final int UNKNOWN = -1;
  private static final int GAP_FIRST = 7;
  private static final int GAP_NEXT = 2;
  private static final int MIN_SCORE = 40;
  private static final int FULL_SCORE = 100;
  private static final int MAX_QUALITY = 60;
  private static final int NEVER = -1_000_000;

  private final Genome genome;
  private final Map<String, List<Integer>> seedPositions = new HashMap<>();

  ReadMapper(Genome genome) {
    this.genome = genome;
    for (int at = 0; at + SEED_BASES <= genome.length(); at++) {
      String seed = genome.bases().substring(at, at + SEED_BASES);
      if (seed.indexOf('N') < 0) {
        seedPositions.computeIfAbsent(seed, absent -> new ArrayList<>()).add(at);
      }
    }
  }

  /// A bin of diagonals on one strand, with the votes of itself and of the bin after it.
  private record Votes(boolean reversed, int bin, int count) {}

  /// One local alignment.
  private record Local(
      boolean reversed, int score, int genomeStart, int genomeEnd, List<Run> cigar, int edits) {
    boolean sharesPlaceWith(Local other) {
      return reversed == other.reversed
          && genomeStart < other.genomeEnd
          && other.genomeStart < genomeEnd;
    }
  }

  Alignment map(Read read) {
    return new Alignment(read, mapping(read));
  }

  private Mapping mapping(Read read) {
    String reverse = Genome.reverseComplement(read.bases());
    List<Votes> ranked = new ArrayList<>(votes(read.bases(), false));
    ranked.addAll(votes(reverse, true));
    ranked.sort(
        Comparator.comparingInt(Votes::count)
            .reversed()
            .thenComparing(Votes::reversed)
            .thenComparingInt(Votes::bin));

    List<Local> locals = new ArrayList<>();
    Set<Votes> taken = new HashSet<>();
    for (Votes votes : ranked) {
      if (locals.size() == MAX_CANDIDATES) {
        break;
      }
      boolean besideTaken = false;
      for (int bin = votes.bin() - 1; bin <= votes.bin() + 1; bin++) {
        besideTaken |= taken.contains(new Votes(votes.reversed(), bin, 0));
      }
      if (besideTaken) {
        continue;
      }
      taken.add(new Votes(votes.reversed(), votes.bin(), 0));
      int diagonal = votes.bin() * BIN_DIAGONALS - MAX_READ_BASES;
      String bases = votes.reversed() ? reverse : read.bases();
      int low = Math.max(0, diagonal - MARGIN_BASES);
      int high =
          Math.min(genome.length(), diagonal + 2 * BIN_DIAGONALS + bases.length() + MARGIN_BASES);
      locals.add(align(bases, votes.reversed(), low, high));
    }

    Local best = null;
    for (Local local : locals) {
      if (best == null || local.score() > best.score()) {
        best = local;
      }
    }
    if (best == null || best.score() < MIN_SCORE) {
      return new Unmapped();
    }
    int second = 0;
    for (Local local : locals) {
      if (!local.sharesPlaceWith(best)) {
        second = Math.max(second, local.score());
      }
    }
    return new Mapped(
        best.reversed(),
        best.genomeStart(),
        quality(best.score(), second),
        best.cigar(),
        best.score(),
        best.edits());
  }

  private static int quality(int best, int second) {
    int quality = 120 * (best - second) / best;
    if (best < FULL_SCORE) {
      quality = quality * best / FULL_SCORE;
    }
    return Math.min(quality, MAX_QUALITY);
  }

  private List<Votes> votes(String bases, boolean reversed) {
    Map<Integer, Integer> counts = new HashMap<>();
    for (int i = 0; i + SEED_BASES <= bases.length(); i++) {
      List<Integer> hits =
          seedPositions.getOrDefault(bases.substring(i, i + SEED_BASES), List.of());
      if (hits.size() <= MAX_SEED_HITS) {
        for (int hit : hits) {
          counts.merge((hit - i + MAX_READ_BASES) / BIN_DIAGONALS, 1, Integer::sum);
        }
      }
    }
    List<Votes> votes = new ArrayList<>();
    counts.forEach((bin, count) ->
        votes.add(new Votes(reversed, bin, count + counts.getOrDefault(bin + 1, 0))));
    return votes;
  }

  private static int pairScore(char a, char b) {
    if (a == 'N' || b == 'N') {
      return UNKNOWN;
    }
    return a == b ? MATCH : MISMATCH;
  }

  /// The best local alignment of `bases` with the genome's [low, high). Index 0 of the matrices is
  /// before the first base.
  private Local align(String bases, boolean reversed, int low, int high) {
    int height = bases.length();
    int width = high - low;
    int[][] score = new int[height + 1][width + 1];
    int[][] deletion = new int[height + 1][width + 1];
    int[][] insertion = new int[height + 1][width + 1];
    for (int j = 0; j <= width; j++) {
      insertion[0][j] = NEVER;
    }
    int bestI = 0;
    int bestJ = 0;
    for (int i = 1; i <= height; i++) {
      deletion[i][0] = NEVER;
      for (int j = 1; j <= width; j++) {
        deletion[i][j] = Math.max(score[i][j - 1] - GAP_FIRST, deletion[i][j - 1] - GAP_NEXT);
        insertion[i][j] = Math.max(score[i - 1][j] - GAP_FIRST, insertion[i - 1][j] - GAP_NEXT);
        int paired =
            score[i - 1][j - 1]
                + pairScore(bases.charAt(i - 1), genome.bases().charAt(low + j - 1));
        score[i][j] = Math.max(Math.max(0, paired), Math.max(deletion[i][j], insertion[i][j]));
        if (score[i][j] > score[bestI][bestJ]) {
          bestI = i;
          bestJ = j;
        }
      }
    }

    List<Run> backwards = new ArrayList<>();
    addRun(backwards, height - bestI, 'S');
    int edits = 0;
    int i = bestI;
    int j = bestJ;
    while (score[i][j] > 0) {
      char base = bases.charAt(i - 1);
      char genomeBase = genome.bases().charAt(low + j - 1);
      if (score[i][j] == score[i - 1][j - 1] + pairScore(base, genomeBase)) {
        addRun(backwards, 1, 'M');
        edits += base == 'N' || base != genomeBase ? 1 : 0;
        i--;
        j--;
      } else if (score[i][j] == deletion[i][j]) {
        int length = 1;
        while (deletion[i][j - length + 1] != score[i][j - length] - GAP_FIRST) {
          length++;
        }
        addRun(backwards, length, 'D');
        edits += length;
        j -= length;
      } else {
        int length = 1;
        while (insertion[i - length + 1][j] != score[i - length][j] - GAP_FIRST) {
          length++;
        }
        addRun(backwards, length, 'I');
        edits += length;
        i -= length;
      }
    }
    addRun(backwards, i, 'S');
    Collections.reverse(backwards);
    return new Local(
        reversed, score[bestI][bestJ], low + j, low + bestJ, List.copyOf(backwards), edits);
  }

  private static void addRun(List<Run> runs, int length, char kind) {
    if (length == 0) {
      return;
    }
    if (!runs.isEmpty() && runs.getLast().kind() == kind) {
      length += runs.removeLast().length();
    }
    runs.add(new Run(length, kind));
  }
}
