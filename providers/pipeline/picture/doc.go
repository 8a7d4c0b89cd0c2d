// Package picture turns JPEG, PNG and WebP files into the numbers that a vision model was trained on. It owns the checks
// before a file is decoded (its bytes, its sides, its pixels), and every step up to the tensor, each stated below, so
// that what a model sees here can be made equal to what it saw in training.
//
// It refuses animations, other formats, files that are cut short, and more pixels than it was told to take.
//
// # What is done, in this order
//
//  1. The file is decoded to 8 bits for each of R, G and B (16 bits are divided by 257). Alpha is dropped and not
//     blended, colour profiles and the orientation in EXIF are not applied: as Pillow's convert("RGB") does. The JPEG
//     decoder of Go repeats chroma samples, where libjpeg smooths them: on photographs this differs by a few of 255.
//  2. Gray, if asked for: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), not rounded.
//  3. The picture is resized by the triangle filter in one dimension after the other, without rounding between. With n
//     samples becoming m, the output at i is centred on c = (i + 1/2) n/m, the input at j on j + 1/2; the weight is
//     max(0, 1 - |j + 1/2 - c| / s) where that is within the picture, over the sum of the weights. s is max(1, n/m), so
//     that nothing is skipped when a picture becomes smaller; this is Pillow's BILINEAR and torchvision's
//     antialias=True. Without Antialias s is 1, which is TensorFlow's tf.image.resize and OpenCV's INTER_LINEAR.
//  4. With "shorter" the shorter side was made Shorter and the longer int(Shorter * longer / shorter), and the middle is
//     cut out: Height x Width from (round((h-Height)/2), round((w-Width)/2)), halves to even, as torchvision's Resize
//     and CenterCrop.
//  5. Each value v in [0,255] becomes (v * Scale - mean) / std of its channel.
package picture
