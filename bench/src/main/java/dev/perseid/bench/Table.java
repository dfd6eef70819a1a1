package dev.perseid.bench;

import java.util.ArrayList;
import java.util.List;

/// Rows of text in columns. A heading that begins with `>` makes its column flush right.
final class Table {
  private final String[] headings;
  private final List<String[]> rows = new ArrayList<>();

  Table(String... headings) {
    this.headings = headings;
  }

  /// Adds a row; what is missing at its end stays empty.
  void row(Object... cells) {
    String[] row = new String[headings.length];
    for (int i = 0; i < row.length; i++) {
      row[i] = i < cells.length ? String.valueOf(cells[i]) : "";
    }
    rows.add(row);
  }

  /// The lines, headings first.
  List<String> lines() {
    int[] widths = new int[headings.length];
    for (int i = 0; i < widths.length; i++) {
      widths[i] = name(i).length();
      for (String[] row : rows) {
        widths[i] = Math.max(widths[i], row[i].length());
      }
    }
    List<String> lines = new ArrayList<>();
    String[] first = new String[headings.length];
    for (int i = 0; i < first.length; i++) {
      first[i] = name(i);
    }
    lines.add(line(first, widths));
    for (String[] row : rows) {
      lines.add(line(row, widths));
    }
    return lines;
  }

  private boolean right(int column) {
    return headings[column].startsWith(">");
  }

  private String name(int column) {
    return right(column) ? headings[column].substring(1) : headings[column];
  }

  private String line(String[] cells, int[] widths) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < cells.length; i++) {
      String pad = " ".repeat(widths[i] - cells[i].length());
      line.append(right(i) ? pad + cells[i] : cells[i] + pad).append("  ");
    }
    return line.toString().stripTrailing();
  }
}
