package dev.perseid.engine;

/// What a frame of a record file holds. The numbers never change their meaning.
final class FrameType {
  static final int THREAD = 1;
  static final int NAME = 2;
  static final int GRAPH = 3;
  static final int RUN = 4;
  static final int RECORDS = 5;
  static final int RUN_ENDED = 6;
  static final int LOST = 7;
  static final int CLOSED = 8;

  private FrameType() {}
}
