package dev.perseid.inference;

import java.util.Arrays;

/// A growing list of tokens. Not safe for several threads.
final class IntList {
  private int[] all = new int[16];
  private int size;

  void add(int value) {
    if (size == all.length) {
      all = Arrays.copyOf(all, 2 * size);
    }
    all[size++] = value;
  }

  int get(int index) {
    return all[index];
  }

  int size() {
    return size;
  }

  int[] toArray() {
    return Arrays.copyOf(all, size);
  }
}
