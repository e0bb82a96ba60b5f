/** The laboratory: avatars, the face-swap autoencoder, its losses, training and measures. */
export {
  type Architecture,
  type Autoencoder,
  autoencoder,
  codeLength,
  mapSizes,
  SIDES,
  type Side,
} from "./architecture.js";
export { type AvatarOptions, avatars, drawAvatars, type Layer, poses } from "./avatars.js";
export { drawHeldOut, type HeldOut, measureAvatars, measureFolders, Viewer } from "./evaluation.js";
export { type Identity, PAIRS, type PairName, pairNamed } from "./identities.js";
export { type LatentStatistics, latentStatistics } from "./losses.js";
export { type Gate, gates, type Measures, measure, medianPicture, type Stack } from "./measures.js";
export { type PictureSet, pickPictures } from "./pictures.js";
export { type Background, POSE_COUNT, POSE_KINDS, POSE_NAMES, type PoseKind } from "./poses.js";
export { checkConfig, PRESETS, type Preset, type PresetName, presetNamed, type TrainingConfig } from "./presets.js";
export { compileTraining, type TrainingData } from "./training.js";
