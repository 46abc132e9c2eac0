
J<r<:J9Z;w9