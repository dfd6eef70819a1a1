package dev.perseid.cli;

import java.util.Collection;
import java.util.Optional;

/// Guesses which word somebody meant.
final class Nearest {
  private Nearest() {}

  /// The first candidate that begins with `word` (of at least 3 characters); else the one with the
  /// fewest insertions, deletions, replacements and swaps of neighbours (optimal string alignment
  /// distance) from `word`, if that is at most a third of its length; the first of several.
  /// O(candidates * length^2).
  static Optional<String> to(String word, Collection<String> candidates) {
    if (word.length() >= 3) {
      for (String candidate : candidates) {
        if (candidate.startsWith(word)) {
          return Optional.of(candidate);
        }
      }
    }
    int limit = Math.max(1, word.length() / 3);
    String best = null;
    int least = limit + 1;
    for (String candidate : candidates) {
      if (Math.abs(candidate.length() - word.length()) < least) {
        int distance = distance(word, candidate);
        if (distance < least) {
          least = distance;
          best = candidate;
        }
      }
    }
    return Optional.ofNullable(best);
  }

  /// "did you mean 'X'?", or what the choice is.
  static String advice(String word, Collection<String> candidates) {
    return to(word, candidates)
        .map(near -> "did you mean '" + near + "'?")
        .orElse("choose from: " + String.join(", ", candidates.stream().limit(20).toList()));
  }

  static int distance(String a, String b) {
    int[][] d = new int[a.length() + 1][b.length() + 1];
    for (int i = 0; i <= a.length(); i++) {
      for (int j = 0; j <= b.length(); j++) {
        if (i == 0 || j == 0) {
          d[i][j] = i + j;
          continue;
        }
        int change = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
        d[i][j] = Math.min(d[i - 1][j - 1] + change, Math.min(d[i - 1][j] + 1, d[i][j - 1] + 1));
        if (i > 1
            && j > 1
            && a.charAt(i - 1) == b.charAt(j - 2)
            && a.charAt(i - 2) == b.charAt(j - 1)) {
          d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
        }
      }
    }
    return d[a.length()][b.length()];
  }
}
