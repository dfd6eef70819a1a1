package dev.perseid.inference;

import java.util.ArrayList;
import java.util.List;

/// Keys and values of sequences in pages of [#TOKENS] tokens; pages with the same beginning of a
/// text are shared. Not safe for several threads.
///
/// In a page, per layer and head: first the keys, dimension by dimension, with the tokens side by
/// side; then the values, token by token. So both products of attention run along lanes.
final class KvPages {
  static final int TOKENS = 32;

  static final class Page {
    final float[] data;
    private int holders = 1;

    private Page(int floats) {
      data = new float[floats];
    }
  }

  /// The pages of one sequence.
  static final class Table {
    final List<Page> pages = new ArrayList<>();

    Page at(int position) {
      return pages.get(position / TOKENS);
    }
  }

  private final int floats;
  private final int most;
  private int used;

  /// @param floats length of a page
  /// @param most pages at most
  KvPages(int floats, int most) {
    this.floats = floats;
    this.most = most;
  }

  static int pagesFor(int tokens) {
    return (tokens + TOKENS - 1) / TOKENS;
  }

  int most() {
    return most;
  }

  int free() {
    return most - used;
  }

  /// Makes a table reach up to a number of tokens. The caller has checked that there is room.
  void grow(Table table, int tokens) {
    while (table.pages.size() * TOKENS < tokens) {
      if (used >= most) {
        throw new IllegalStateException("no page is free");
      }
      used++;
      table.pages.add(new Page(floats));
    }
  }

  /// A table with the same first tokens: whole pages are shared, the rest of a page is copied.
  Table fork(Table from, int tokens) {
    Table table = new Table();
    int whole = tokens / TOKENS;
    for (int i = 0; i < whole; i++) {
      Page page = from.pages.get(i);
      page.holders++;
      table.pages.add(page);
    }
    if (tokens % TOKENS != 0) {
      grow(table, tokens);
      float[] source = from.pages.get(whole).data;
      System.arraycopy(source, 0, table.pages.get(whole).data, 0, floats);
    }
    return table;
  }

  void release(Table table) {
    for (Page page : table.pages) {
      page.holders--;
      if (page.holders == 0) {
        used--;
      }
    }
    table.pages.clear();
  }

  /// Pages of a table that nobody else holds.
  int own(Table table) {
    int own = 0;
    for (Page page : table.pages) {
      if (page.holders == 1) {
        own++;
      }
    }
    return own;
  }
}
