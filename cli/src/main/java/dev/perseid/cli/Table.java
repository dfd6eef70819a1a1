package dev.perseid.cli;

import java.util.ArrayList;
import java.util.List;

/// Columns of text that line up. Numbers are right-aligned.
final class Table {
  private final List<String> heads;
  private final boolean[] right;
  private final List<List<String>> rows = new ArrayList<>();

  /// @param heads a column's head each; one that starts with `>` is right-aligned
  Table(String... heads) {
    this.right = new boolean[heads.length];
    List<String> plain = new ArrayList<>();
    for (int i = 0; i < heads.length; i++) {
      right[i] = heads[i].startsWith(">");
      plain.add(right[i] ? heads[i].substring(1) : heads[i]);
    }
    this.heads = plain;
  }

  Table row(Object... cells) {
    if (cells.length != heads.size()) {
      throw new IllegalArgumentException(cells.length + " cells for " + heads.size() + " columns");
    }
    List<String> row = new ArrayList<>();
    for (Object cell : cells) {
      row.add(String.valueOf(cell));
    }
    rows.add(row);
    return this;
  }

  /// One line each, without the line ends.
  List<String> lines() {
    int[] width = new int[heads.size()];
    List<List<String>> all = new ArrayList<>();
    all.add(heads);
    all.addAll(rows);
    for (List<String> row : all) {
      for (int i = 0; i < width.length; i++) {
        width[i] = Math.max(width[i], row.get(i).length());
      }
    }
    List<String> lines = new ArrayList<>();
    for (List<String> row : all) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < width.length; i++) {
        String blanks = " ".repeat(width[i] - row.get(i).length());
        line.append(i == 0 ? "" : "  ");
        line.append(right[i] ? blanks + row.get(i) : row.get(i) + blanks);
      }
      lines.add(line.toString().stripTrailing());
    }
    return lines;
  }
}
