package dev.perseid.engine;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;

/// Bytes that grow while they are written: numbers of varying length (LEB128), signed ones zigzag.
final class Bytes {
  byte[] array = new byte[1 << 14];
  int size;

  void room(int more) {
    if (array.length - size < more) {
      array = Arrays.copyOf(array, Math.max(2 * array.length, size + more));
    }
  }

  void octet(int value) {
    room(1);
    array[size++] = (byte) value;
  }

  void fixed4(int value) {
    room(4);
    set4(size, value);
    size += 4;
  }

  void set4(int at, int value) {
    array[at] = (byte) (value >>> 24);
    array[at + 1] = (byte) (value >>> 16);
    array[at + 2] = (byte) (value >>> 8);
    array[at + 3] = (byte) value;
  }

  void number(long value) {
    room(10);
    byte[] a = array;
    int i = size;
    long v = value;
    while ((v & ~0x7fL) != 0) {
      a[i++] = (byte) (v | 0x80);
      v >>>= 7;
    }
    a[i++] = (byte) v;
    size = i;
  }

  void signed(long value) {
    number((value << 1) ^ (value >> 63));
  }

  void text(String value) {
    byte[] utf8 = value.getBytes(UTF_8);
    number(utf8.length);
    room(utf8.length);
    System.arraycopy(utf8, 0, array, size, utf8.length);
    size += utf8.length;
  }
}
