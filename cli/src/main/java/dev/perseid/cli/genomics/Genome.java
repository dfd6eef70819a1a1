package dev.perseid.cli.genomics;

import java.util.Locale;
import java.util.Objects;

/// A reference genome of one sequence.
///
/// @param name up to the first blank of its FASTA header
/// @param bases upper-case letters `A`, `C`, `G`, `T`; every other letter is `N`
public record Genome(String name, String bases) {
  /// @throws IllegalArgumentException if a part is empty or a base is none of `ACGTN`
  public Genome {
    Objects.requireNonNull(name);
    if (name.isEmpty() || bases.isEmpty()) {
      throw new IllegalArgumentException("a genome needs a name and bases");
    }
    if (!bases.equals(normal(bases))) {
      throw new IllegalArgumentException("the bases of a genome are the letters A, C, G, T and N");
    }
  }

  /// Reads FASTA with one sequence.
  ///
  /// @throws IllegalArgumentException if it is not FASTA or has more than one sequence
  public static Genome parse(String fasta) {
    int headerEnd = fasta.indexOf('\n');
    if (!fasta.startsWith(">") || headerEnd < 0) {
      throw new IllegalArgumentException(
          "not FASTA: it must start with '>' and a name on one line");
    }
    if (fasta.indexOf('>', headerEnd) >= 0) {
      throw new IllegalArgumentException("the FASTA has more than one sequence; give one");
    }
    String header = fasta.substring(1, headerEnd);
    int blank = 0;
    while (blank < header.length() && !Character.isWhitespace(header.charAt(blank))) {
      blank++;
    }
    String sequence = fasta.substring(headerEnd).replace("\n", "").replace("\r", "");
    return new Genome(header.substring(0, blank), normal(sequence));
  }

  /// Number of bases.
  public int length() {
    return bases.length();
  }

  /// Upper case, with every letter but `A`, `C`, `G` and `T` turned to `N`.
  static String normal(String bases) {
    return bases.toUpperCase(Locale.ROOT).replaceAll("[^ACGT]", "N");
  }

  /// The same strand read from its other end: reversed, with each base replaced by its partner.
  static String reverseComplement(String bases) {
    StringBuilder reversed = new StringBuilder(bases.length());
    for (int i = bases.length() - 1; i >= 0; i--) {
      reversed.append(
          switch (bases.charAt(i)) {
            case 'A' -> 'T';
            case 'C' -> 'G';
            case 'G' -> 'C';
            case 'T' -> 'A';
            default -> 'N';
          });
    }
    return reversed.toString();
  }
}
