package dev.perseid.cli.genomics;

import java.util.ArrayList;
import java.util.List;

/// One sequencing read.
///
/// @param name up to the first blank of its FASTQ name line
/// @param bases as sequenced, letters `ACGTN`
/// @param qualities one character from `!` (0) to `~` (93) for each base
record Read(String name, String bases, String qualities) {
  Read {
    if (bases.length() != qualities.length()) {
      throw new IllegalArgumentException("read " + name + " has not as many qualities as bases");
    }
  }

  /// Reads FASTQ with four lines a read.
  static List<Read> parse(String fastq) {
    List<String> lines = fastq.lines().toList();
    if (lines.size() % 4 != 0) {
      throw new IllegalArgumentException("the last read of the FASTQ is not complete");
    }
    List<Read> reads = new ArrayList<>();
    for (int i = 0; i < lines.size(); i += 4) {
      if (!lines.get(i).startsWith("@") || !lines.get(i + 2).startsWith("+")) {
        throw new IllegalArgumentException(
            "line " + (i + 1) + ": not FASTQ with four lines a read (@name, bases, +, qualities)");
      }
      String name = lines.get(i).substring(1).split("[ \t]", 2)[0];
      reads.add(new Read(name, Genome.normal(lines.get(i + 1)), lines.get(i + 3)));
    }
    return reads;
  }
}
