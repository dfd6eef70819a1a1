package dev.perseid.settle;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Cipher;
import org.jspecify.annotations.Nullable;

/// Opens the parts of one answer, in order. A part that was changed, lost, repeated or moved makes
/// it fail for good; an answer that just stops is found by [#end]. Not safe for several threads at
/// once.
public final class AnswerOpener {
  private final String requestId;
  private final byte[] exported;
  private final Cipher cipher = Sealed.cipher();
  private byte @Nullable [] key;
  private long next;
  private boolean complete;
  private boolean broken;

  AnswerOpener(String requestId, byte[] exported) {
    this.requestId = requestId;
    this.exported = exported;
  }

  /// Opens the next part.
  ///
  /// @throws SealException if it is not the next part of this answer; every call after it fails too
  public byte[] open(byte[] sealed) throws SealException {
    if (broken) {
      throw failure(SealException.Reason.DAMAGED, "an earlier part could not be opened");
    }
    broken = true;
    if (complete) {
      throw failure(SealException.Reason.DAMAGED, "there is more after its last part");
    }
    int head = 1 + (next == 0 ? Sealed.SALT_BYTES : 0);
    int least = head + Sealed.PAD_BYTES + Sealed.TAG_BYTES;
    if (sealed.length < least || (sealed[0] & ~1) != 0) {
      throw failure(SealException.Reason.FORMAT, "it is cut, or not in the format of version 1");
    }
    if (next >= Limits.SEALED_PARTS
        || sealed.length - head - Sealed.TAG_BYTES > Sealed.paddedBytes(Limits.SEALED_BYTES)) {
      throw failure(SealException.Reason.TOO_LARGE, "it is larger than the limits");
    }
    byte[] k = key;
    if (k == null) {
      k = Sealed.answerKey(exported, Arrays.copyOfRange(sealed, 1, head));
      key = k;
    }
    boolean last = sealed[0] == 1;
    byte[] padded;
    try {
      Sealed.prepare(cipher, Cipher.DECRYPT_MODE, k, requestId, next, last);
      padded = cipher.doFinal(sealed, head, sealed.length - head);
    } catch (GeneralSecurityException e) {
      throw failure(
          SealException.Reason.DAMAGED,
          "it was changed on its way, or a part was lost, repeated or moved");
    }
    byte[] text = Sealed.unpadded(padded, "a part of the answer");
    next++;
    complete = last;
    broken = false;
    return text;
  }

  /// Whether the last part was opened: nothing is missing.
  public boolean complete() {
    return complete && !broken;
  }

  /// To be called when no more parts come.
  ///
  /// @throws SealException if the last part was not among them
  public void end() throws SealException {
    if (broken) {
      throw failure(SealException.Reason.DAMAGED, "it could not be opened");
    }
    if (!complete) {
      throw failure(SealException.Reason.TRUNCATED, "the answer ended before its last part");
    }
  }

  private SealException failure(SealException.Reason reason, String why) {
    return new SealException(
        reason, "part " + next + " of the sealed answer " + requestId + " cannot be used: " + why);
  }
}
