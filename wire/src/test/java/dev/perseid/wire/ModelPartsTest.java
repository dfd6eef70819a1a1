package dev.perseid.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.perseid.core.Address;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.TokenPrice;
import dev.perseid.wire.v1.Proto;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ModelPartsTest {
  private static final String SIGNATURE = "0123456789abcdef".repeat(8) + "1b";

  private static Hash hash(Random random) {
    return new Hash(random.nextLong(), random.nextLong(), random.nextLong(), random.nextLong());
  }

  private static Model model(Random random) {
    return new Model(
        new Address(random.nextLong(), random.nextLong(), random.nextInt()),
        "lab/m\u00f6del" + random.nextInt(9),
        "v" + random.nextInt(9),
        hash(random),
        ModelTask.values()[random.nextInt(3)],
        "gguf",
        random.nextBoolean() ? "" : "q8_0",
        random.nextLong() >>> 1,
        random.nextInt(1 << 30),
        "MIT",
        random.nextInt(501),
        random.nextLong() >>> 1);
  }

  private static ModelOffer offer(Random random) {
    return new ModelOffer(
        new Address(random.nextLong(), random.nextLong(), random.nextInt()),
        hash(random),
        random.nextBoolean() ? "" : "eu",
        "q4_k_m",
        "llama 1",
        new TokenPrice(
            random.nextLong() >>> 1,
            random.nextLong() >>> 1,
            random.nextLong() >>> 1,
            random.nextLong() >>> 1,
            random.nextLong() >>> 1),
        random.nextInt(501),
        random.nextInt(501),
        random.nextInt(),
        random.nextInt(),
        DataPolicy.values()[random.nextInt(3)],
        random.nextBoolean() ? Optional.of(hash(random)) : Optional.empty(),
        random.nextBoolean() ? "" : "https://example.org",
        random.nextLong() >>> 1);
  }

  @Test
  void modelsAndOffersComeBackAsTheyWere() throws Exception {
    long seed = 1_031;
    Random random = new Random(seed);
    for (int i = 0; i < 300; i++) {
      Model m = model(random);
      Proto.Model sent = Proto.Model.parseFrom(ModelParts.write(m).toByteArray());
      assertThat(ModelParts.read(sent)).as("seed %d", seed).isEqualTo(m);
      ModelOffer o = offer(random);
      Proto.ModelOffer offered =
          Proto.ModelOffer.parseFrom(ModelParts.write(o, SIGNATURE).toByteArray());
      assertThat(ModelParts.read(offered)).as("seed %d", seed).isEqualTo(o);
      assertThat(ModelParts.signature(offered)).isEqualTo(SIGNATURE);
    }
  }

  private static void wrong(Proto.Model m, String message) {
    assertThatThrownBy(() -> ModelParts.read(m))
        .isInstanceOf(Malformed.class)
        .hasMessageContaining(message);
  }

  private static void wrong(Proto.ModelOffer o, String message) {
    assertThatThrownBy(() -> ModelParts.read(o))
        .isInstanceOf(Malformed.class)
        .hasMessageContaining(message);
  }

  @Test
  void whatIsMalformedIsNamed() {
    Proto.Model m = ModelParts.write(model(new Random(1)));
    String longText = "x".repeat(WireLimits.NAME_CHARS + 1);
    ByteString odd = ByteString.copyFrom(new byte[31]);
    wrong(Proto.Model.getDefaultInstance(), "model.author");
    wrong(m.toBuilder().setAuthor(odd).build(), "model.author");
    wrong(m.toBuilder().setManifest(odd).build(), "model.manifest");
    wrong(m.toBuilder().setName(longText).build(), "model.name");
    wrong(m.toBuilder().setVersion(longText).build(), "model.version");
    wrong(m.toBuilder().setFormat(longText).build(), "model.format");
    wrong(m.toBuilder().setQuantisation(longText).build(), "model.quantisation");
    wrong(m.toBuilder().setLicence(longText).build(), "model.licence");
    wrong(m.toBuilder().setTask("sing").build(), "model.task is none of chat, embed, predict");
    Proto.ModelOffer o = ModelParts.write(offer(new Random(1)), SIGNATURE);
    wrong(Proto.ModelOffer.getDefaultInstance(), "offer.provider");
    wrong(o.toBuilder().setProvider(odd).build(), "offer.provider");
    wrong(o.toBuilder().setModel(odd).build(), "offer.model");
    wrong(o.toBuilder().setSealKey(odd).build(), "offer.seal_key");
    wrong(o.toBuilder().setRegion(longText).build(), "offer.region");
    wrong(o.toBuilder().setQuantisation(longText).build(), "offer.quantisation");
    wrong(o.toBuilder().setBackend(longText).build(), "offer.backend");
    wrong(
        o.toBuilder().setEndpoint("x".repeat(Limits.ENDPOINT_CHARS + 1)).build(), "offer.endpoint");
    wrong(o.toBuilder().setPolicy("").build(), "offer.policy is none of keeps-nothing");
    assertThatThrownBy(() -> ModelParts.signature(o.toBuilder().setSignature(odd).build()))
        .isInstanceOf(Malformed.class)
        .hasMessageContaining("offer.signature");
  }

  @Test
  void garbageIsRefusedAndNothingElse() {
    long seed = 1_032;
    Random random = new Random(seed);
    int read = 0;
    for (int i = 0; i < 3_000; i++) {
      byte[] model = damaged(random, ModelParts.write(model(random)).toByteArray());
      byte[] offer = damaged(random, ModelParts.write(offer(random), SIGNATURE).toByteArray());
      try {
        ModelParts.read(Proto.Model.parseFrom(model));
        read++;
      } catch (InvalidProtocolBufferException | Malformed e) {
        assertThat(e).hasMessageNotContaining("null");
      }
      try {
        ModelParts.read(Proto.ModelOffer.parseFrom(offer));
        read++;
      } catch (InvalidProtocolBufferException | Malformed e) {
        assertThat(e).hasMessageNotContaining("null");
      }
    }
    assertThat(read).as("some changes do no harm; seed %d", seed).isPositive();
  }

  private static byte[] damaged(Random random, byte[] bytes) {
    for (int k = 0; k < 2; k++) {
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
    }
    return bytes;
  }
}
