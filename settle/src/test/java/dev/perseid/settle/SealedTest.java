package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bouncycastle.crypto.AsymmetricCipherKeyPair;
import org.bouncycastle.crypto.hpke.HPKE;
import org.bouncycastle.crypto.hpke.HPKEContext;
import org.bouncycastle.crypto.hpke.HPKEContextWithEncapsulation;
import org.bouncycastle.crypto.params.X25519PrivateKeyParameters;
import org.junit.jupiter.api.Test;

final class SealedTest {
  private static final HexFormat HEX = HexFormat.of();
  private static final String ID = "req_01-A";
  private static final byte[] AAD = "model 12, chat".getBytes(UTF_8);
  private static final byte[] BODY = "{\"messages\":[]}".getBytes(UTF_8);

  // RFC 9180, appendix A.2.1: base mode of DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
  // ChaCha20Poly1305.
  private static final byte[] INFO = HEX.parseHex("4f6465206f6e2061204772656369616e2055726e");
  private static final Hash SK_E =
      Hash.parse("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600");
  private static final Hash SK_R =
      Hash.parse("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
  private static final Hash PK_R =
      Hash.parse("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
  private static final Hash ENC =
      Hash.parse("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
  private static final byte[] PLAIN =
      HEX.parseHex("4265617574792069732074727574682c20747275746820626561757479");
  private static final List<String> CIPHER =
      List.of(
          "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
          "6b53c051e4199c518de79594e1c4ab18b96f081549d45ce015be002090bb119e85285337cc95ba5f59992dc98c",
          "71146bd6795ccc9c49ce25dda112a48f202ad220559502cef1f34271e0cb4b02b4f10ecac6f48c32f878fae86b");

  @Test
  void theLibraryGivesTheVectorsOfTheRfc() throws Exception {
    HPKE suite = Sealed.suite();
    HPKEContextWithEncapsulation sender =
        suite.setupBaseS(suite.deserializePublicKey(PK_R.bytes()), INFO, pair(SK_E));
    HPKEContext recipient = suite.setupBaseR(ENC.bytes(), SealKey.of(SK_R.bytes()).pair(), INFO);
    assertThat(sender.getEncapsulation()).isEqualTo(ENC.bytes());
    for (int i = 0; i < CIPHER.size(); i++) {
      byte[] aad = ("Count-" + i).getBytes(UTF_8);
      byte[] cipher = HEX.parseHex(CIPHER.get(i));
      assertThat(sender.seal(aad, PLAIN)).isEqualTo(cipher);
      assertThat(recipient.open(aad, cipher)).isEqualTo(PLAIN);
    }
    for (HPKEContext side : List.of(sender, recipient)) {
      assertThat(HEX.formatHex(side.export(new byte[0], 32)))
          .isEqualTo("4bbd6243b8bb54cec311fac9df81841b6fd61f56538a775e7c80a9f40160606e");
      assertThat(HEX.formatHex(side.export(new byte[1], 32)))
          .isEqualTo("8c1df14732580e5501b00f82b10a1647b40713191b7c1240ac80e2b68808ba69");
      assertThat(HEX.formatHex(side.export("TestContext".getBytes(UTF_8), 32)))
          .isEqualTo("5acb09211139c43b3090489a9da433e8a30ee7188ba8b0a9a1ccf0c229283e53");
    }
  }

  @Test
  void theSecondImplementationGivesThemToo() throws Exception {
    assertThat(SealByTheBook.publicOf(SK_R)).isEqualTo(PK_R);
    for (SealByTheBook.Context context :
        List.of(
            SealByTheBook.sender(SK_E, PK_R, INFO),
            SealByTheBook.recipient(SK_R, ENC.bytes(), INFO))) {
      assertThat(context.key().hex())
          .isEqualTo("ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91");
      assertThat(HEX.formatHex(context.nonce())).isEqualTo("5c4d98150661b848853b547f");
      assertThat(context.exporter().hex())
          .isEqualTo("a3b010d4994890e2c6968a36f64470d3c824c8f5029942feb11e7a74b2921922");
      assertThat(HEX.formatHex(SealByTheBook.export(context, new byte[1], 32)))
          .isEqualTo("8c1df14732580e5501b00f82b10a1647b40713191b7c1240ac80e2b68808ba69");
    }
  }

  @Test
  void twoImplementationsOfTheDocumentAgree() throws Exception {
    SealKey key = SealKey.of(SK_R.bytes());
    byte[] request = Sealed.request(PK_R, ID, AAD, BODY, pair(SK_E)).bytes();
    assertThat(request).isEqualTo(SealByTheBook.request(SK_E, PK_R, ID, AAD, BODY));
    assertThat(SealByTheBook.body(SK_R, ID, AAD, request)).isEqualTo(BODY);
    assertThat(key.open(ID, AAD, request).body()).isEqualTo(BODY);

    SealByTheBook.Context context = SealByTheBook.context(SK_R, request);
    List<byte[]> texts = List.of("one".getBytes(UTF_8), new byte[0], new byte[600]);
    AnswerSealer sealer = key.open(ID, AAD, request).answer();
    List<byte[]> parts = sealed(sealer, texts);
    List<byte[]> read = SealByTheBook.texts(context, ID, parts);
    assertThat(read).usingRecursiveComparison().isEqualTo(texts);

    AnswerOpener opener = Sealed.request(PK_R, ID, AAD, BODY, pair(SK_E)).answer();
    List<byte[]> opened = new ArrayList<>();
    for (byte[] part : SealByTheBook.answer(context, ID, Hash.sha256(BODY), texts)) {
      opened.add(opener.open(part));
    }
    opener.end();
    assertThat(opened).usingRecursiveComparison().isEqualTo(texts);
  }

  /// The example of `docs/sealed-requests.md`: a change here is a change of the format.
  @Test
  void theExampleOfTheDocumentHolds() throws Exception {
    byte[] request = Sealed.request(PK_R, ID, AAD, BODY, pair(SK_E)).bytes();
    SealByTheBook.Context context = SealByTheBook.context(SK_R, request);
    byte[] exported = SealByTheBook.export(context, Sealed.answerLabel(), 32);
    byte[] part = new AnswerSealer(ID, exported, Hash.ZERO.bytes()).seal(BODY, true);
    assertThat(request).hasSize(569);
    assertThat(HEX.formatHex(request)).startsWith("014310ee97d88cc1f01afa08d3dec047a643885163");
    assertThat(
            List.of(HEX.formatHex(exported), Hash.sha256(request).hex(), Hash.sha256(part).hex()))
        .containsExactly(
            "10d27c8b3f53142a880b3a38a03bf62e4a3294652fdc6021ee889ebbf8166b7e",
            "f33c01f811dbde2deee00e1e624579e72d7bcafaa9d567f417d8703a2fd3d147",
            "e57fa7e27efa4ee00e44fc8ec21e43e0d18f2af05297c695c478fb2780c39961");
  }

  @Test
  void aRequestAndItsAnswerGoThere() throws Exception {
    SealKey key = SealKey.generate();
    for (int size : new int[] {0, 1, 507, 508, 509, 100_000}) {
      byte[] body = random(size);
      SealedRequest request = Sealed.request(key.publicKey(), ID, AAD, body);
      assertThat((request.bytes().length - 41 - 16) % 512).isZero();
      OpenedRequest opened = key.open(ID, AAD, request.bytes());
      assertThat(opened.body()).isEqualTo(body);
      byte[] part = opened.answer().seal(body, false);
      assertThat(request.answer().open(part)).isEqualTo(body);
      assertThat(request.answer().complete()).isFalse();
      assertThat(request.answer().open(opened.answer().seal(new byte[0], true))).isEmpty();
      assertThat(request.answer().complete()).isTrue();
      request.answer().end();
    }
  }

  @Test
  void lengthsWithinABlockLookEqual() throws Exception {
    SealKey key = SealKey.generate();
    assertThat(Sealed.request(key.publicKey(), ID, AAD, new byte[3]).bytes())
        .hasSameSizeAs(Sealed.request(key.publicKey(), ID, AAD, new byte[300]).bytes());
  }

  @Test
  void everyChangedByteOfARequestIsFound() throws Exception {
    SealKey key = SealKey.generate();
    byte[] request = Sealed.request(key.publicKey(), ID, AAD, BODY).bytes();
    for (int i = 0; i < request.length; i++) {
      byte[] changed = request.clone();
      changed[i] ^= (byte) (1 << i % 8);
      // X25519 ignores the highest bit of a public key (RFC 7748), yet the KEM hashes all of it.
      assertThatThrownBy(() -> key.open(ID, AAD, changed)).isInstanceOf(SealException.class);
    }
    byte[] highBit = request.clone();
    highBit[40] ^= (byte) 0x80;
    fails(SealException.Reason.DAMAGED, () -> key.open(ID, AAD, highBit));
    for (int length : new int[] {0, 1, 40, 41, 56, 568}) {
      fails(SealException.Reason.FORMAT, () -> key.open(ID, AAD, cut(request, length)));
    }
    fails(SealException.Reason.DAMAGED, () -> key.open(ID, AAD, cut(request, request.length + 1)));
  }

  @Test
  void aRequestIsBoundToKeyIdAndData() throws Exception {
    SealKey key = SealKey.generate();
    byte[] request = Sealed.request(key.publicKey(), ID, AAD, BODY).bytes();
    fails(SealException.Reason.OTHER_KEY, () -> SealKey.generate().open(ID, AAD, request));
    fails(SealException.Reason.DAMAGED, () -> key.open("req_01-B", AAD, request));
    fails(SealException.Reason.DAMAGED, () -> key.open(ID, new byte[0], request));
    fails(SealException.Reason.FORMAT, () -> key.open("a b", AAD, request));
    byte[] version = request.clone();
    version[0] = 2;
    assertThatThrownBy(() -> key.open(ID, AAD, version)).hasMessageContaining("version 2");
    // The id and the data cannot be shifted into each other.
    byte[] shifted = Sealed.request(key.publicKey(), "ab", "c".getBytes(UTF_8), BODY).bytes();
    fails(SealException.Reason.DAMAGED, () -> key.open("abc", new byte[0], shifted));
  }

  @Test
  void everyChangedByteOfAnAnswerIsFound() throws Exception {
    SealKey key = SealKey.of(SK_R.bytes());
    SealedRequest request = Sealed.request(PK_R, ID, AAD, BODY, pair(SK_E));
    byte[] part = key.open(ID, AAD, request.bytes()).answer().seal(BODY, true);
    for (int i = 0; i < part.length; i++) {
      byte[] changed = part.clone();
      changed[i] ^= (byte) (1 << i % 8);
      AnswerOpener opener = Sealed.request(PK_R, ID, AAD, BODY, pair(SK_E)).answer();
      assertThatThrownBy(() -> opener.open(changed)).isInstanceOf(SealException.class);
      assertThat(opener.complete()).isFalse();
      // And the true part does not mend it: what was shown may not go on as if nothing were.
      fails(SealException.Reason.DAMAGED, () -> opener.open(part));
      fails(SealException.Reason.DAMAGED, opener::end);
    }
  }

  @Test
  void lostRepeatedMovedAndForeignPartsAreFound() throws Exception {
    SealKey key = SealKey.of(SK_R.bytes());
    byte[] request = Sealed.request(PK_R, ID, AAD, BODY, pair(SK_E)).bytes();
    List<byte[]> texts = List.of(new byte[1], new byte[2], new byte[3], new byte[4]);
    List<byte[]> a = sealed(key.open(ID, AAD, request).answer(), texts);
    List<byte[]> b = sealed(key.open(ID, AAD, request).answer(), texts);
    refused(List.of(a.get(0), a.get(2)));
    refused(List.of(a.get(0), a.get(0)));
    refused(List.of(a.get(0), a.get(1), a.get(1)));
    refused(List.of(a.get(1)));
    refused(List.of(a.get(3)));
    refused(List.of(a.get(0), a.get(3)));
    // The request was opened twice: the parts of one answer do not pass in the other.
    refused(List.of(a.get(0), b.get(1)));
    byte[] early = a.get(1).clone();
    early[0] = 1;
    refused(List.of(a.get(0), early));
    refused(List.of(a.get(0), a.get(1), a.get(2), a.get(3), a.get(3)));

    AnswerOpener cut = Sealed.request(PK_R, ID, AAD, BODY, pair(SK_E)).answer();
    fails(SealException.Reason.TRUNCATED, cut::end);
    for (byte[] part : a.subList(0, 3)) {
      cut.open(part);
    }
    fails(SealException.Reason.TRUNCATED, cut::end);
    assertThat(cut.open(a.get(3))).hasSize(4);
    cut.end();
  }

  @Test
  void twoAnswersToOneRequestShareNoKey() throws Exception {
    SealKey key = SealKey.generate();
    byte[] request = Sealed.request(key.publicKey(), ID, AAD, BODY).bytes();
    byte[] a = key.open(ID, AAD, request).answer().seal(BODY, true);
    byte[] b = key.open(ID, AAD, request).answer().seal(BODY, true);
    assertThat(cutFront(a, 33)).isNotEqualTo(cutFront(b, 33));
  }

  @Test
  void anAnswerEndsOnce() throws Exception {
    SealKey key = SealKey.generate();
    AnswerSealer answer =
        key.open(ID, AAD, Sealed.request(key.publicKey(), ID, AAD, BODY).bytes()).answer();
    answer.seal(BODY, true);
    assertThatThrownBy(() -> answer.seal(BODY, true)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void keysThatAreNoneAreRefused() {
    // Points of low order: the shared secret would be known to everybody.
    for (String point :
        List.of(
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")) {
      fails(SealException.Reason.BAD_KEY, () -> Sealed.request(Hash.parse(point), ID, AAD, BODY));
    }
    SealKey key = SealKey.generate();
    byte[] lowOrder = new byte[569];
    lowOrder[0] = 1;
    key.publicKey().write(lowOrder, 1);
    java.util.Arrays.fill(lowOrder, 9, 41, (byte) 0);
    fails(SealException.Reason.DAMAGED, () -> key.open(ID, AAD, lowOrder));
  }

  @Test
  void limitsHold() {
    SealKey key = SealKey.generate();
    Hash to = key.publicKey();
    byte[] large = new byte[Limits.SEALED_BYTES + 1];
    byte[] largeAad = new byte[Limits.SEALED_AAD_BYTES + 1];
    fails(SealException.Reason.TOO_LARGE, () -> Sealed.request(to, ID, AAD, large));
    fails(SealException.Reason.TOO_LARGE, () -> Sealed.request(to, ID, largeAad, BODY));
    fails(SealException.Reason.TOO_LARGE, () -> key.open(ID, AAD, new byte[large.length + 2048]));
    fails(SealException.Reason.FORMAT, () -> Sealed.request(to, "", AAD, BODY));
    fails(SealException.Reason.FORMAT, () -> Sealed.request(to, "a".repeat(65), AAD, BODY));
  }

  @Test
  void rubbishNeverOpens() {
    long seed = 20260911;
    Random random = new Random(seed);
    SealKey key = SealKey.generate();
    for (int i = 0; i < 200; i++) {
      byte[] rubbish = new byte[random.nextInt(2_000)];
      random.nextBytes(rubbish);
      if (rubbish.length > 41 && i % 2 == 0) {
        rubbish[0] = 1;
        System.arraycopy(key.publicKey().bytes(), 0, rubbish, 1, 8);
      }
      assertThatThrownBy(() -> key.open(ID, AAD, rubbish))
          .as("seed %d, case %d", seed, i)
          .isInstanceOf(SealException.class);
    }
  }

  private static void refused(List<byte[]> parts) throws SealException {
    AnswerOpener opener = Sealed.request(PK_R, ID, AAD, BODY, pair(SK_E)).answer();
    for (byte[] part : parts.subList(0, parts.size() - 1)) {
      opener.open(part);
    }
    assertThatThrownBy(() -> opener.open(parts.getLast())).isInstanceOf(SealException.class);
    assertThat(opener.complete()).isFalse();
  }

  private static List<byte[]> sealed(AnswerSealer sealer, List<byte[]> texts) throws SealException {
    List<byte[]> parts = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      parts.add(sealer.seal(texts.get(i), i == texts.size() - 1));
    }
    return parts;
  }

  private static void fails(SealException.Reason reason, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(SealException.class, e -> assertThat(e.reason()).isEqualTo(reason));
  }

  private static AsymmetricCipherKeyPair pair(Hash secret) {
    X25519PrivateKeyParameters key = new X25519PrivateKeyParameters(secret.bytes());
    return new AsymmetricCipherKeyPair(key.generatePublicKey(), key);
  }

  private static byte[] random(int size) {
    byte[] bytes = new byte[size];
    new Random(size).nextBytes(bytes);
    return bytes;
  }

  private static byte[] cut(byte[] bytes, int length) {
    return java.util.Arrays.copyOf(bytes, length);
  }

  private static byte[] cutFront(byte[] bytes, int from) {
    return java.util.Arrays.copyOfRange(bytes, from, bytes.length);
  }
}
