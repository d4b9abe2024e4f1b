"""Face finding, shared by photo intake and the studio. Imports numpy and OpenCV only.

vision  the detector and the face mesh
models  their weights, with licences
"""
