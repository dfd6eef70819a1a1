package dev.perseid.cli.genomics;

import java.util.List;

/// Where a read lies on the genome.
///
/// @param read the read as sequenced
/// @param mapping where it lies, or nothing when it is unmapped
record Alignment(Read read, Mapping mapping) {
  /// Where a read lies, if anywhere.
  sealed interface Mapping {}

  /// The read fits nowhere well enough.
  record Unmapped() implements Mapping {}

  /// The read lies here.
  ///
  /// @param reversed whether its reverse complement lies on the genome's strand
  /// @param position of the first aligned base, 0-based
  /// @param quality mapping quality, 0 to 60
  /// @param cigar the alignment's operations in the direction of the genome
  /// @param score of the alignment
  /// @param edits mismatches, inserted and deleted bases
  record Mapped(boolean reversed, int position, int quality, List<Run> cigar, int score, int edits)
      implements Mapping {}

  /// One run of a CIGAR, for example 35M.
  record Run(int length, char kind) {}

  /// The 0-based position by which alignments are sorted: unmapped reads come last.
  int sortPosition() {
    return switch (mapping) {
      case Mapped mapped -> mapped.position();
      case Unmapped() -> Integer.MAX_VALUE;
    };
  }

  /// The read's bases in the direction of the genome.
  String basesOnGenome() {
    return mapping instanceof Mapped mapped && mapped.reversed()
        ? Genome.reverseComplement(read.bases())
        : read.bases();
  }

  /// The read's qualities in the direction of the genome.
  String qualitiesOnGenome() {
    return mapping instanceof Mapped mapped && mapped.reversed()
        ? new StringBuilder(read.qualities()).reverse().toString()
        : read.qualities();
  }

  /// The line of this alignment in SAM, with its newline.
  String samLine(Genome genome) {
    String sequence = "*\t0\t0\t" + basesOnGenome() + "\t" + qualitiesOnGenome();
    return switch (mapping) {
      case Unmapped() -> read.name() + "\t4\t*\t0\t0\t*\t" + sequence + "\n";
      case Mapped mapped -> {
        StringBuilder cigar = new StringBuilder();
        mapped.cigar().forEach(run -> cigar.append(run.length()).append(run.kind()));
        yield String.join(
                "\t",
                read.name(),
                mapped.reversed() ? "16" : "0",
                genome.name(),
                Integer.toString(mapped.position() + 1),
                Integer.toString(mapped.quality()),
                cigar,
                sequence,
                "AS:i:" + mapped.score(),
                "NM:i:" + mapped.edits())
            + "\n";
      }
    };
  }
}
